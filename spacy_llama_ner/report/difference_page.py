"""The page about two pipelines on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ..evaluate.predict import TOTAL, percent
from ..evaluate.significance import FEWEST, Difference, Interval
from .html import REPORT_CSS, Section, bar, join_sections, label_hues, label_mark, note, render_shell, table

OWN_CSS = """
.one { fill: var(--one); background: var(--one); }
.two { fill: var(--two); background: var(--two); }
.pairs .bar { display: block; height: .45rem; margin: .15rem 0; }
"""


def render_difference(found: Mapping[str, Sequence[Difference]], *, names: tuple[str, str], title: str) -> str:
    """The page, as HTML.

    found: differences by what they were measured on.
    names: of the first and the second pipeline.
    """
    sections = [
        Section(f"data-{number}", escape(data), _data(rows, names))
        for number, (data, rows) in enumerate(found.items(), start=1)
    ]
    return render_shell(
        heading=f"{names[0]} beside {names[1]}", title=title, body=join_sections(sections), css=REPORT_CSS + OWN_CSS
    )


def _data(found: Sequence[Difference], names: tuple[str, str]) -> str:
    hues = label_hues(each.label for each in found if each.label is not None)
    rows = [
        (
            TOTAL if each.label is None else label_mark(each.label, hues),
            *(percent(share) for side in (each.first, each.second) for share in (side.p, side.r, side.f)),
            signed(each.f),
            span(each.interval),
            f"{each.first.gold:,}",
            bar((each.first.f or 0.0, "one")) + bar((each.second.f or 0.0, "two")),
        )
        for each in found
    ]
    one, two = map(escape, names)
    header = ["", *(f"{name} {score}" for name in (one, two) for score in ("P", "R", "F1"))]
    header += ["difference of F1", "95% interval", "gold entities", "F1, 0 to 100"]
    keys = f'<li><i class="swatch one"></i>{one}</li><li><i class="swatch two"></i>{two}</li>'
    told = (
        "The interval is that of the difference over samples of the same sentences, or docs where gold has no "
        f"sentence boundaries (percentile bootstrap); there is none below {FEWEST} of them. Where it holds 0, the "
        "data does not tell which of the two is better."
    )
    return f'<ul class="keys">{keys}</ul>{table(header, rows, kind="pairs")}{note(told)}'


def signed(share: float | None) -> str:
    """A difference of shares in points, with its sign; a dash where there is none."""
    return "-" if share is None else f"{100 * share:+.2f}"


def span(interval: Interval | None) -> str:
    """The ends of an interval in points; a dash where there is none."""
    return "-" if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"
