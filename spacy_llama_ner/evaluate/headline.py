"""The top of a page about a pipeline: its scores, in total and by type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .colours import label_mark
from .markup import table
from .table import HEADER, TOTAL, percent, score_rows


def render_headline(
    scores: Mapping[str, Any], gold: Mapping[str, int], *, hues: Mapping[str, int], n_docs: int, n_wrong: int
) -> str:
    """Scores as figures and as a table, as HTML.

    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type, ents_token_acc).
    gold: number of gold entities by label.
    hues: colour of each label.
    n_docs, n_wrong: number of docs, and of those with errors.
    """
    figures = (
        ("F1, whole entities", percent(scores["ents_f"])),
        ("Precision", percent(scores["ents_p"])),
        ("Recall", percent(scores["ents_r"])),
        ("Words with the right tag", percent(scores.get("ents_token_acc"))),
        ("Docs with errors", f"{n_wrong:,} of {n_docs:,}"),
    )
    shown = "".join(
        f'<div class="{"" if place else "main"}"><dt>{name}</dt><dd>{value}</dd></div>'
        for place, (name, value) in enumerate(figures)
    )
    rows = [
        (TOTAL if position == 0 else label_mark(name, hues), *cells)
        for position, (name, *cells) in enumerate(score_rows(scores, gold))
    ]
    return f'<div class="summary">\n<dl class="figures">{shown}</dl>\n{table(HEADER, rows)}\n</div>'
