"""What the cells of a budget experiment come to: means over the folds, and where more gold stops to matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from .cells import Cell, Line
from .costs import Costs


@dataclass(frozen=True)
class Mean:
    """Mean and standard deviation over the folds."""

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Of at least one value; one alone has no spread."""
        return cls(mean(values), stdev(values) if len(values) > 1 else 0.0)

    def shown(self, times: float = 100) -> str:
        """Both with two decimals, in percent unless `times` says otherwise."""
        return f"{times * self.mean:.2f} ± {times * self.spread:.2f}"


@dataclass(frozen=True)
class Row:
    """One share of one line. sentences, words: of gold labels, in the mean. f, accuracy: 0 to 1.

    loss: None where a fold's training data lacked a label of its test data. cost: None without prices.
    """

    line: Line
    share: float
    folds: int
    sentences: float
    words: float
    f: Mean
    accuracy: Mean
    loss: Mean | None
    cost: float | None

    @property
    def labels(self) -> str:
        """What was learned from, in words."""
        return "silver and gold" if self.line == "mixed" else "gold alone"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain types."""
        return asdict(self)


def make_rows(results: Iterable[tuple[Cell, Mapping[str, Any]]], costs: Costs) -> list[Row]:
    """A row for each share, in the order of the cells."""
    groups: dict[tuple[Line, float], list[Mapping[str, Any]]] = defaultdict(list)
    for cell, result in results:
        groups[cell.line, cell.share].append(result)
    return [_row(line, share, group, costs) for (line, share), group in groups.items()]


def saturation(rows: Sequence[Row]) -> Row | None:
    """The smallest amount of gold beside silver whose mean F1 is within one standard error of the best mean.

    The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees): what is above it may be
    chance. None where the best is at the end, so that more gold would bring more, or nobody knows.
    """
    mixed = sorted((row for row in rows if row.line == "mixed"), key=lambda row: row.share)
    best = max(mixed, key=lambda row: row.f.mean)
    enough = best.f.mean - best.f.spread / sqrt(best.folds)
    first = next(row for row in mixed if row.f.mean >= enough)
    return None if first is mixed[-1] else first


def _row(line: Line, share: float, group: Sequence[Mapping[str, Any]], costs: Costs) -> Row:
    words = mean(result["words"] for result in group)
    # each training has the labels of all sentences but those of its fold
    silver = 1 - 1 / len(group) if line == "mixed" and share < 1 else 0.0
    losses = [result["loss"] for result in group]
    return Row(
        line=line,
        share=share,
        folds=len(group),
        sentences=mean(result["sentences"] for result in group),
        words=words,
        f=Mean.of([result["ents_f"] for result in group]),
        accuracy=Mean.of([result["ents_token_acc"] for result in group]),
        loss=None if None in losses else Mean.of(losses),
        cost=costs.of(words, silver=silver),
    )
