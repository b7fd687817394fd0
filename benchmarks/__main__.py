"""`python -m benchmarks`: measure, and write RESULTS.md."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from . import growth, latency, predict, train
from .corpus import read_sentences, sample
from .results import write

HERE = Path(__file__).parent
PARTS = ("predict", "train", "latency", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conll2003", type=Path, help="folder with test.txt; made-up sentences without it")
    parser.add_argument("--sentences", type=int, default=400, help="how many are measured on")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing runs")
    parser.add_argument("--docs", type=int, nargs="+", default=[1000, 10_000], help="lengths of streams")
    parser.add_argument("--characters", type=int, nargs="+", default=[100_000, 1_000_000], help="lengths of a doc")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--base", default="smollm2-135m")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    everything, corpus = read_sentences(args.conll2003)
    sentences = sample(everything, args.sentences)
    measure = {
        "predict": lambda: predict.measure(args.base, sentences, rounds=args.rounds),
        "train": lambda: train.measure(args.base, sentences, rounds=args.rounds),
        "latency": lambda: latency.measure(args.base, sentences, rounds=args.rounds),
        "growth": lambda: growth.measure(args.base, everything, docs=args.docs, characters=args.characters),
    }
    tables = []
    for name in args.only:
        tables.append(measure[name]())
        print(tables[-1].to_markdown(), end="\n\n", flush=True)
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        write(args.output, command, corpus, tables)


if __name__ == "__main__":
    main()
