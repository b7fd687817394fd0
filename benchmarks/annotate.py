"""`python -m benchmarks.annotate`: what labelling costs beside the model itself. Writes annotate.md.

The server is the one of the tests, in a process of its own; it answers at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

import spacy
from spacy.tokens import Doc

from benchmarks.corpus import WORDS, made_up
from benchmarks.results import Table, machine
from benchmarks.setting import resident
from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.llm.backends.openai import OpenAIBackend
from spacy_llama_ner.llm.labelling import Labeller, label_texts
from spacy_llama_ner.llm.prompts import LabellingPrompt
from spacy_llama_ner.llm.reply_log import ReplyLog
from spacy_llama_ner.llm.runner import Runner
from spacy_llama_ner.llm.texts import read_texts

HERE = Path(__file__).parent
ROWS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--output", type=Path, default=HERE / "annotate.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _server() as url:
        source = Path(folder) / "texts.txt"
        lines = (" ".join([*words, *_number(i)]) for i, words in enumerate(made_up(args.texts)))
        source.write_text("\n".join(lines), encoding="utf8")
        tables = [
            _measure(title, source, url, texts=args.texts, concurrency=args.concurrency)
            for title in ("Every text is asked about", "Every reply is in the log already")
        ]
    command = " ".join(["python -m benchmarks.annotate", *sys.argv[1:]])
    parts = [
        f"# Labelling with an LLM that takes no time\n\n`{command}`\n\n{machine()}.",
        *map(Table.to_markdown, tables),
    ]
    args.output.write_text("\n\n".join(parts) + "\n", encoding="utf8")
    print(*parts, sep="\n\n")


def _number(i: int) -> list[str]:
    """A number in words of the corpus: no two texts are the same, and the vocabulary does not grow."""
    return [WORDS[i // len(WORDS) ** power % len(WORDS)] for power in range(5)]


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.llm.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf8", cwd=HERE.parent) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _measure(title: str, source: Path, url: str, *, texts: int, concurrency: int) -> Table:
    """Texts a second, processor time and resident memory, by tenths of the texts."""
    nlp = spacy.blank("en")
    labeller = Labeller(LabellingPrompt("brackets"), {"NAME": "a word with a capital"})
    backend = OpenAIBackend(model="scripted", base_url=url)
    rows: list[list[str]] = []

    def watched(docs: Iterable[Doc]) -> Iterator[Doc]:
        start, worked, before = perf_counter(), process_time(), 0
        for n, doc in enumerate(docs, start=1):
            yield doc
            if n * ROWS // texts > before * ROWS // texts or n == texts:
                now, work = perf_counter(), process_time()
                rate, cost = (n - before) / (now - start), 1000 * (work - worked) / (n - before)
                rows.append([f"{n:,}", f"{rate:,.0f}", f"{cost:.2f}", f"{resident():,.0f}"])
                start, worked, before = now, work, n

    with ReplyLog(source.with_suffix(".replies")) as log, Runner(backend, log, concurrency=concurrency) as run:
        report = ProblemReport(str(source))
        write_docbin(
            watched(label_texts(read_texts(source, nlp), labeller, run, report)), source.with_suffix(".spacy")
        )
        stats = run.progress.stats
    how = f"{stats.new_replies:,} requests, {concurrency} at a time; {stats.logged_replies:,} replies from the log."
    return Table(title, how, ["texts", "texts/s", "processor ms a text", "resident MiB"], rows)


if __name__ == "__main__":
    main()
