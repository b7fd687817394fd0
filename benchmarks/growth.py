"""Whether cost grows with work, and no faster: more docs, and one endless doc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from spacy.tokens import Doc

from .corpus import Sentences
from .results import Table
from .setting import make_docs, make_pipeline


def measure(base: str, sentences: Sentences, *, docs: list[int], characters: list[int]) -> Table:
    """Words a second and resident memory for streams of so many docs, and docs of so many characters."""
    nlp = make_pipeline(base)
    list(nlp.pipe(make_docs(nlp, sentences[:500])))
    rows = []
    for n in docs:
        stream = (Doc(nlp.vocab, words=sentences[i % len(sentences)]) for i in range(n))
        rows.append([f"{n:,} docs", *_run(nlp.pipe(stream))])
    text = " ".join(word for words in sentences for word in words)
    for length in characters:
        whole = (text + " ") * (length // len(text) + 1)
        nlp.max_length = length + 1
        rows.append([f"one doc of {length:,} characters", *_run(nlp.pipe([whole[:length]]))])
    return Table(
        "Growth",
        "One pass each, in a row. Memory is the whole process's, models measured before included.",
        ["", "words/s", "resident MiB"],
        rows,
    )


def _run(stream: Iterator[Doc]) -> list[str]:
    start, n_words, highest = perf_counter(), 0, 0.0
    for doc in stream:
        n_words += len(doc)
        if n_words % 1000 < len(doc):
            highest = max(highest, _resident())
    return [f"{n_words / (perf_counter() - start):,.0f}", f"{highest:,.0f}"]


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
