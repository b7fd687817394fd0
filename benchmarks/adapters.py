"""Several recognisers on one base: one pass for all beside one after the other, and what one more costs.

`python -m benchmarks.adapters` measures and writes adapters.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from spacy.language import Language

from benchmarks import quantised
from benchmarks.corpus import Sentences, made_up, sample
from benchmarks.results import Table, write
from benchmarks.setting import encoder_of, make_docs, make_pipeline
from benchmarks.timing import Clock, in_turns
from spacy_llama_ner.pipeline import add_adapter, export_adapter

MEMORY = """
import json, sys
import spacy
from spacy_llama_ner.shim.memory import resident_bytes
nlp = spacy.load(sys.argv[1])
list(nlp.pipe(["Ada Lovelace lives in London."] * 20))
print(json.dumps(resident_bytes()))
"""
READER = "llama_reader"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--adapters", type=int, nargs="+", default=[2, 3], help="how many recognisers")
    parser.add_argument("--sentences", type=int, nargs="+", default=[1, 8, 100], help="docs that are read at a time")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing runs")
    parser.add_argument(
        "--busy", action="store_true", help="other work runs here: count one core's time, not the clock"
    )
    parser.add_argument("--pipeline", type=Path, help="trained pipeline, for quantised bases; left out without one")
    parser.add_argument("--gold", type=Path, help="DocBin that it is scored on")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "adapters.md")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    clock: Clock = perf_counter
    how = "Seconds by the clock"
    if args.busy:
        torch.set_num_threads(1)
        clock, how = process_time, "Other work ran on the machine: seconds of one core's time"
    sentences = sample(made_up(3000), max(args.sentences))
    tables = [
        passes(args.base, sentences, args.adapters, args.sentences, rounds=args.rounds, clock=clock, how=how),
        costs(args.base, max(args.adapters), rounds=args.rounds, clock=clock, how=how),
    ]
    if args.pipeline and args.gold:
        tables.append(quantised.measure(args.pipeline, args.gold, rounds=args.rounds, clock=clock, how=how))
    print(*(table.to_markdown() for table in tables), sep="\n\n")
    command = " ".join(["python -m benchmarks.adapters", *sys.argv[1:]])
    write(args.output, command, "made-up sentences with the lengths of CoNLL-2003", tables)


def passes(
    base: str, sentences: Sentences, adapters: list[int], sizes: list[int], *, rounds: int, clock: Clock, how: str
) -> Table:
    """`nlp.pipe` of the same components, with a `llama_reader` in front of them and without, in turns."""
    rows = []
    n_layers = len(encoder_of(make_pipeline(base)).base.layers)
    for where, layers in (("all layers", None), ("the upper half", list(range(n_layers // 2, n_layers)))):
        for count in adapters:
            nlp = make_recognisers(base, count, lora={"rank": 16, "layers": layers})
            nlp.add_pipe(READER, first=True)
            for size in sizes:
                runs = {"apart": _apart(nlp, sentences[:size]), "together": _together(nlp, sentences[:size])}
                seconds = {name: each.median for name, each in in_turns(runs, rounds=rounds, clock=clock).items()}
                gain = seconds["apart"] / seconds["together"]
                rows.append(
                    [where, str(count), str(size), *(f"{each:.2f}" for each in seconds.values()), f"{gain:.2f}"]
                )
    header = ["adapters in", "recognisers", "docs", "one after the other, s", "one pass, s", "times as fast"]
    return Table("One pass for several adapters", f"{how}, in turns; medians of {rounds}.", header, rows)


def costs(base: str, count: int, *, rounds: int, clock: Clock, how: str) -> Table:
    """What the second recogniser costs, and `count` of them beside one."""
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder) / "adapter"
        nlp = make_recognisers(base, 1)
        export_adapter(nlp, adapter, pipe="ner0")
        size = sum(path.stat().st_size for path in adapter.iterdir()) / 2**20
        seconds = []
        for name in (f"added{i}" for i in range(rounds)):
            start = clock()
            add_adapter(nlp, adapter, name=name, config={"overwrite": None, "spans_key": name})
            seconds.append(clock() - start)
        memory = []
        for number in (1, count):
            make_recognisers(base, number).to_disk(Path(folder) / str(number))
            memory.append(median(memory_of(Path(folder) / str(number)) for _ in range(min(rounds, 3))))
    one, several = (each / 2**20 for each in memory)
    rows = [
        ["an adapter with its head, on disk", f"{size:.1f} MiB"],
        ["to add it to a pipeline whose base is loaded", f"{median(seconds):.2f} s"],
        ["a process with one recogniser", f"{one:,.0f} MiB"],
        [f"with {count} on the same base", f"{several:,.0f} MiB, +{100 * (several / one - 1):.1f}%"],
    ]
    return Table(
        "One recogniser more", f"{how}; medians. Memory after 20 docs, in processes of their own.", ["", ""], rows
    )


def make_recognisers(base: str, count: int, **settings: Any) -> Language:
    """A pipeline with `count` recognisers, whose adapters differ."""
    pipelines = [make_pipeline(base, **settings) for _ in range(count)]
    nlp = pipelines[0]
    nlp.rename_pipe("llama_ner", "ner0")
    for number, other in enumerate(pipelines[1:], start=1):
        nlp.add_pipe("llama_ner", name=f"ner{number}", source=other)
    return nlp


def _apart(nlp: Language, sentences: Sentences) -> Callable[[], object]:
    def run() -> object:
        with nlp.select_pipes(disable=READER):
            return list(nlp.pipe(make_docs(nlp, sentences)))

    return run


def _together(nlp: Language, sentences: Sentences) -> Callable[[], object]:
    return lambda: list(nlp.pipe(make_docs(nlp, sentences)))


def memory_of(folder: Path) -> float:
    """Bytes that a process takes in memory with the pipeline in `folder`, after 20 docs."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder)], capture_output=True, encoding="utf8", check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
