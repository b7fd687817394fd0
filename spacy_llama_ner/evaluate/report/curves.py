"""The section with learning curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

from ..points import Figures, Point
from .lines import FEW, Line, line_chart
from .sections import Section, note

TRAIN, DEV = "var(--train)", "var(--dev)"
# colours of types may lie close to each other
DASHES = ("none", "7 4", "2 4", "9 4 2 4")
Pick = Callable[[Figures], float | None]


def curves_section(points: Sequence[Point], *, hues: Mapping[str, int]) -> Section:
    """Charts of all that was measured, train beside dev.

    points: at least one. hues: colours of the labels; others are drawn in grey.
    """
    best = max((p for p in points if "ents_f" in p.dev.values), key=lambda p: p.dev.values["ents_f"], default=None)
    labels = sorted({label for point in points for label in point.dev.per_type})
    charts = [
        line_chart(
            "F1, whole entities",
            _both(points, _percent("ents_f")),
            mark=None if best is None else (best.step, 100 * best.dev.values["ents_f"]),
        ),
        line_chart("Loss", _both(points, lambda figures: figures.values.get("loss"))),
        line_chart("Words with the right tag, %", _both(points, _percent("ents_token_acc"))),
        line_chart(
            "Precision and recall on dev",
            [
                Line("precision", [(p.step, _percent("ents_p")(p.dev)) for p in points], "var(--one)"),
                Line("recall", [(p.step, _percent("ents_r")(p.dev)) for p in points], "var(--two)"),
            ],
        ),
        line_chart(
            "F1 on dev by type",
            [_type_line(points, label, hues=hues, dash=dash) for label, dash in zip(labels, cycle(DASHES))],
        ),
    ]
    for name in dict.fromkeys(name for point in points for name in point.losses):
        losses = [(point.step, point.losses.get(name)) for point in points]
        charts.append(line_chart(f"Loss of {name} in training, summed", [Line(name, losses, TRAIN)]))
    return Section(
        "curves", "Learning curves", note(_summary(points, best)) + f'<div class="charts">{"".join(charts)}</div>'
    )


def _both(points: Sequence[Point], pick: Pick) -> list[Line]:
    return [
        Line("train", [(point.step, pick(point.train)) for point in points], TRAIN),
        Line("dev", [(point.step, pick(point.dev)) for point in points], DEV),
    ]


def _percent(key: str) -> Pick:
    def pick(figures: Figures) -> float | None:
        share = figures.values.get(key)
        return None if share is None else 100 * share

    return pick


def _type_line(points: Sequence[Point], label: str, *, hues: Mapping[str, int], dash: str) -> Line:
    shares = [(point.step, point.dev.per_type.get(label)) for point in points]
    colour = f"hsl({hues[label]} var(--line-s) var(--line-l))" if label in hues else "var(--muted)"
    return Line(label, [(step, None if share is None else 100 * share) for step, share in shares], colour, dash)


def _summary(points: Sequence[Point], best: Point | None) -> str:
    last = points[-1]
    passes = "" if last.epoch is None else f", epoch {last.epoch:,}"
    time = "" if last.seconds is None else f", after {last.seconds / 60:,.1f} minutes"
    evaluations = f"{len(points):,} evaluation{'s' * (len(points) > 1)}"
    told = f"{evaluations}, the last at step {last.step:,}{passes}{time}."
    if best is not None:
        told += f" Dev F1 is best at step {best.step:,} (ringed): {100 * best.dev.values['ents_f']:.2f}."
    if len(points) >= FEW:
        told += " The axes follow what comes after the first quarter of the steps; a climb before it may be cut off."
    return told
