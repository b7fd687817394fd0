"""Results as rows of text."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluate.table import percent
from .money import Money
from .result import NONE, Result, short_names

HEADER = ["model", "prompt", "examples", "P", "R", "F1", "95% interval", "unusable, %", "lost", "s a text"]
HEADER += ["tokens in", "tokens out"]
N_NAMES = 3
TYPE_HEADER = ("type", "variant", "P", "R", "F1")


def result_rows(results: Sequence[Result], money: Money) -> list[tuple[str, ...]]:
    """A row for each result under `HEADER`, and its cost where there are prices."""
    return [(*_cells(each), *([] if money.prices is None else [money.of(each)])) for each in results]


def type_rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """A row for each label and result under `TYPE_HEADER`."""
    labels = sorted({label for each in results for label in each.per_type})
    names = short_names([each.variant for each in results])
    return [
        (label, name, *(percent(each.per_type.get(label, {}).get(key)) for key in "prf"))
        for label in labels
        for name, each in zip(names, results, strict=True)
    ]


def show_interval(result: Result) -> str:
    """Where the F1 of all texts of this kind lies."""
    return f"{percent(result.low)} to {percent(result.high)}"


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.variant.model,
        result.variant.prompt,
        "zero-shot" if result.variant.examples == NONE else result.variant.examples,
        *(percent(share) for share in (result.p, result.r, result.f)),
        show_interval(result),
        percent(result.unusable),
        f"{result.lost:,}",
        f"{result.seconds / result.texts:,.2f}",
        f"{result.input_tokens:,}",
        f"{result.output_tokens:,}",
    )
