"""Runs of `llama-ner active-learn` beside each other: means over the seeds, round by round.

`python -m benchmarks.active training/active-mnlp-0 training/active-random-0 --chart active.svg` reads what the runs
left behind, in folders that are named after their method and their seed. It prints tables and draws a chart.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

import srsly

from benchmarks.results import Table
from spacy_llama_ner.active.budget import Mean
from spacy_llama_ner.active.rounds import iter_rounds
from spacy_llama_ner.evaluate.scorer import ENTS_F
from spacy_llama_ner.report.charts import Series, chart_file, f1_chart

COLOURS = ("var(--dev)", "var(--train)", "var(--one)", "var(--two)")
STEPS = ("choose", "ask", "train", "evaluate")


class RoundMean(NamedTuple):
    """The mean of one round over all seeds.

    Attributes:
        words: Words of gold that were bought so far.
        f: F1 on dev.
    """

    words: float
    f: Mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders METHOD-SEED that `active-learn` wrote")
    parser.add_argument("--full", type=float, help="F1 on dev with all training data (0 to 1), for a line")
    parser.add_argument("--chart", type=Path, help="SVG file for the curves of up to four methods")
    args = parser.parse_args()
    if args.chart is not None and args.chart.suffix != ".svg":
        parser.error(f"The chart is drawn as SVG, not as {args.chart.name!r}. Give a name that ends with .svg.")
    folders: dict[str, list[Path]] = defaultdict(list)
    for folder in args.runs:
        folders[folder.name.rpartition("-")[0]].append(folder)
    methods = {name: average(each) for name, each in folders.items()}
    seeds = ", ".join(f"{name}: {len(each)}" for name, each in folders.items())
    print(scores_table(methods, seeds).to_markdown(), seconds_table(args.runs).to_markdown(), sep="\n\n")
    if args.chart is not None:
        if len(methods) > len(COLOURS):
            parser.error(f"{len(methods)} methods are too many for one chart: {', '.join(methods)}. Give up to four.")
        args.chart.write_text(draw(methods, full=args.full), encoding="utf8")


def read_history(folder: Path) -> list[dict[str, Any]]:
    """A line for each round that is over."""
    return list(srsly.read_jsonl(folder / "history.jsonl"))


def average(folders: Sequence[Path]) -> list[RoundMean]:
    """The rounds that all of the runs have been through."""
    return [
        RoundMean(mean(line["gold"]["words"] for line in lines), Mean.of([line["dev"][ENTS_F] for line in lines]))
        for lines in zip(*map(read_history, folders), strict=False)
    ]


def scores_table(methods: Mapping[str, Sequence[RoundMean]], seeds: str) -> Table:
    """A row for each round, a column for each method. All have the same words to spend in a round."""
    rows = []
    for number in range(max(map(len, methods.values()))):
        means = [means[number] if number < len(means) else None for means in methods.values()]
        words = mean(each.words for each in means if each is not None)
        rows.append([str(number), f"{words:,.0f}", *("" if each is None else each.f.format() for each in means)])
    how = f"F1 on dev, mean ± standard deviation over the seeds ({seeds})."
    return Table("Active learning", how, ["round", "words of gold", *methods], rows)


def seconds_table(folders: Sequence[Path]) -> Table:
    """Medians over all rounds of all runs but the first, which buys nothing."""
    found = [each.seconds for folder in folders for each in islice(iter_rounds(folder), 1, len(read_history(folder)))]
    rows = [[step, f"{median(each.get(step, 0.0) for each in found):,.0f}"] for step in STEPS] if found else []
    return Table("Time of a round", f"Medians of {len(found)} rounds.", ["step", "seconds"], rows)


def draw(methods: Mapping[str, Sequence[RoundMean]], *, full: float | None) -> str:
    """The chart as an SVG file."""
    series = [
        Series(name, [(each.words, each.f.mean, each.f.spread) for each in means], colour)
        for (name, means), colour in zip(methods.items(), COLOURS, strict=False)
    ]
    if full is not None:
        series.append(Series("all training data", [(0, full, 0.0)], "var(--muted)", level=True))
    title = "F1 on dev against words of gold"
    return chart_file(title, [f1_chart(title, series, x_name="words of gold")])


if __name__ == "__main__":
    main()
