"""The section that shows how far scores are probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from spacy.training import Example

from ..calibration import Bin, calibration_bins, error_of_bins, scored_entities
from ..markup import table
from ..table import percent
from .sections import Section, note
from .svg import HEIGHT, Frame, figure

BINS = 10
HEADER = ("score", "entities", "mean score", "right, %")


def reliability_section(examples: Sequence[Example], groups: Mapping[str, str]) -> Section:
    """A diagram for each span group with scores, under the names of the components that write to it.

    groups: span group with the scores by name of the component.
    """
    writers: dict[str, list[str]] = {}
    for name, key in groups.items():
        writers.setdefault(key, []).append(name)
    told = (
        f"Entities in {BINS} bins of equal width, by the score that the component gave them. In each bin the share "
        "that is right should be the mean score: dots should lie on the dashed line. An entity is right if its "
        "start, end and label are gold."
    )
    parts = [_group(", ".join(names), *scored_entities(examples, spans_key=key)) for key, names in writers.items()]
    if not groups:
        parts = [note("No component of this pipeline gives its entities scores.")]
    return Section("reliability", "Reliability of the scores", note(told) + "".join(parts))


def _group(names: str, scores: Sequence[float], right: Sequence[bool]) -> str:
    heading = f"<h3>{escape(names)}</h3>"
    if not scores:
        return heading + note("No entity was predicted that can be judged.")
    bins = calibration_bins(scores, right, bins=BINS)
    shown = (
        '<dl class="figures"><div class="main"><dt>Expected calibration error, %, 0 is best</dt>'
        f"<dd>{percent(error_of_bins(bins))}</dd></div></dl>"
    )
    rows = [
        (f"{row.low:.1f} to {row.high:.1f}", f"{row.count:,}", _score(row.confidence), percent(row.accuracy))
        for row in bins
    ]
    return f'{heading}<div class="reliability">{shown}{_diagram(bins)}{table(HEADER, rows)}</div>'


def _diagram(bins: Sequence[Bin]) -> str:
    frame = Frame((0, 1), (0, 1))
    ticks = [i / 5 for i in range(6)]
    content = frame.axes([(at, f"{at:.1f}") for at in ticks], [(at, f"{100 * at:.0f}") for at in ticks])
    for row in bins:
        middle, bottom = frame.at((row.low + row.high) / 2, 0)
        content += f'<text class="x count" x="{middle:.1f}" y="{bottom + 32:.1f}">{row.count:,}</text>'
        if row.confidence is not None and row.accuracy is not None:
            hint = f"{row.count:,} entities, mean score {row.confidence:.3f}, right {100 * row.accuracy:.1f}%"
            content += frame.box(row.low, row.high, row.accuracy, kind="fill", hint=hint)
            x, y = frame.at(row.confidence, row.accuracy)
            content += f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    (left, bottom), (end, top) = frame.at(0, 0), frame.at(1, 1)
    content += f'<path class="ideal" d="M{left:.1f} {bottom:.1f}L{end:.1f} {top:.1f}"/>'
    content += (
        f'<text class="x" x="{(left + end) / 2:.1f}" y="{HEIGHT + 10}">score, and entities with such a score</text>'
    )
    return figure("Right, %, by score", content, height=HEIGHT + 18)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
