"""`python -m benchmarks`: measure, and write RESULTS.md."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks import growth, latency, levers, predict, shares, train
from benchmarks.corpus import read_sentences, sample
from benchmarks.results import Table, write

HERE = Path(__file__).parent
PARTS = ("predict", "shares", "train", "latency", "growth", "levers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conll2003", type=Path, help="folder with test.txt; made-up sentences without it")
    parser.add_argument("--sentences", type=int, default=120, help="how many are measured on")
    parser.add_argument("--rounds", type=int, default=3, help="how often each thing runs")
    parser.add_argument("--docs", type=int, nargs="+", default=[1000, 5000], help="lengths of streams")
    parser.add_argument("--thin-docs", type=int, nargs="+", default=[1000, 200_000], help="the same, on few layers")
    parser.add_argument("--characters", type=int, nargs="+", default=[100_000, 1_000_000], help="lengths of a doc")
    parser.add_argument("--pipeline", type=Path, help="trained pipeline, for the levers; left out without one")
    parser.add_argument("--gold", type=Path, help="DocBin on which the levers should agree")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--base", default="smollm2-135m")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    everything, corpus = read_sentences(args.conll2003)
    sentences = sample(everything, args.sentences)
    streams = {"docs": args.docs, "characters": args.characters, "thin_docs": args.thin_docs}
    measure: dict[str, Callable[[], list[Table]]] = {
        "predict": lambda: [predict.measure(args.base, sentences, rounds=args.rounds)],
        "shares": lambda: shares.measure(args.base, sentences, rounds=args.rounds),
        "train": lambda: [train.measure(args.base, sentences, rounds=args.rounds)],
        "latency": lambda: [latency.measure(args.base, sentences, rounds=args.rounds)],
        "growth": lambda: [growth.measure(args.base, everything, **streams)],
        "levers": lambda: [levers.measure(args.pipeline, args.gold, sample=2000, rounds=args.rounds)],
    }
    tables = []
    for name in args.only:
        if name == "levers" and not (args.pipeline and args.gold):
            print("No --pipeline and --gold: the levers are left out.")
            continue
        found = measure[name]()
        print(*(table.to_markdown() for table in found), sep="\n\n", end="\n\n", flush=True)
        tables += found
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        write(args.output, command, corpus, tables)


if __name__ == "__main__":
    main()
