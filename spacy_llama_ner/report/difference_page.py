"""The page of `llama-ner difference`: two pipelines on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluate.predict import TOTAL
from ..evaluate.significance import MIN_SENTENCES, Difference
from .rendering import label_hues, render


def render_difference(found: Mapping[str, Sequence[Difference]], *, names: tuple[str, str], title: str) -> str:
    """Render a table for each data set.

    Args:
        found: Differences by what they were measured on.
        names: Names of the first and the second pipeline.
        title: What was compared.

    Returns:
        HTML.
    """
    header = ["", *(f"{name} {score}" for name in names for score in ("P", "R", "F1"))]
    header += ["difference of F1", "95% interval", "gold entities", "F1, 0 to 100"]
    tables = [
        (data, rows, label_hues(each.label for each in rows if each.label is not None))
        for data, rows in found.items()
    ]
    return render(
        "difference",
        heading=f"{names[0]} beside {names[1]}",
        title=title,
        names=names,
        header=header,
        tables=tables,
        total=TOTAL,
        min_sentences=MIN_SENTENCES,
    )
