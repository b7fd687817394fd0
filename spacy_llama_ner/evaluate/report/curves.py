"""The section with learning curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import cycle, pairwise

from ..points import Figures, Point
from .lines import Line, cuts_off, line_chart
from .sections import Section, note

TRAIN, DEV = "var(--train)", "var(--dev)"
# colours of types may lie close to each other
DASHES = ("none", "7 4", "2 4", "9 4 2 4")
Pick = Callable[[Figures], float | None]


def curves_section(curves: Mapping[str, Sequence[Point]], *, hues: Mapping[str, int]) -> Section:
    """Charts of all that was measured, train beside dev.

    curves: at least one, each of one point or more, by the names of their trainings. The first is the pipeline's own;
        the others are drawn beside it where there is train and dev. One alone is not named.
    hues: colours of the labels; others are drawn in grey.
    """
    own, points = next(iter(curves.items()))
    runs, whose = (curves, f", {own}") if len(curves) > 1 else ({"": points}, "")
    best = _best(points)
    labels = sorted({label for point in points for label in point.dev.per_type})
    charts = [
        line_chart(
            "F1, %, whole entities",
            _both(runs, _percent("ents_f")),
            mark=None if best is None else (best.step, 100 * best.dev.values["ents_f"]),
        ),
        line_chart("Loss", _both(runs, lambda figures: figures.values.get("loss"))),
        line_chart("Words with the right tag, %", _both(runs, _percent("ents_token_acc"))),
        line_chart(
            f"Precision and recall on dev, %{whose}",
            [
                Line("precision", [(p.step, _percent("ents_p")(p.dev)) for p in points], "var(--one)"),
                Line("recall", [(p.step, _percent("ents_r")(p.dev)) for p in points], "var(--two)"),
            ],
        ),
        line_chart(
            f"F1 on dev by type, %{whose}",
            [_type_line(points, label, hues=hues, dash=dash) for label, dash in zip(labels, cycle(DASHES))],
        ),
    ]
    for name in dict.fromkeys(name for point in points for name in point.losses):
        charts.append(line_chart(f"Loss of {name} in training, per step{whose}", [_training_loss(points, name)]))
    notes = "".join(map(note, _summaries(runs)))
    return Section("curves", "Learning curves", notes + f'<div class="charts">{"".join(charts)}</div>')


def _best(points: Sequence[Point]) -> Point | None:
    return max((p for p in points if "ents_f" in p.dev.values), key=lambda p: p.dev.values["ents_f"], default=None)


def _both(runs: Mapping[str, Sequence[Point]], pick: Pick) -> list[Line]:
    """Train and dev of each run, in the same two colours."""
    return [
        Line(f"{run} {split}".strip(), [(p.step, pick(getattr(p, split))) for p in points], colour, dash)
        for (run, points), dash in zip(runs.items(), cycle(DASHES))
        for split, colour in (("train", TRAIN), ("dev", DEV))
    ]


def _training_loss(points: Sequence[Point], name: str) -> Line:
    """What spaCy sums up from one evaluation to the next, in the mean; it evaluates for the first time at step 0."""
    steps = [-1, *(point.step for point in points)]
    counts = [max(step - before, 1) for before, step in pairwise(steps)]
    sums = [point.losses.get(name) for point in points]
    means = [None if total is None else total / n for total, n in zip(sums, counts, strict=True)]
    return Line(name, list(zip(steps[1:], means, strict=True)), TRAIN)


def _percent(key: str) -> Pick:
    def pick(figures: Figures) -> float | None:
        share = figures.values.get(key)
        return None if share is None else 100 * share

    return pick


def _type_line(points: Sequence[Point], label: str, *, hues: Mapping[str, int], dash: str) -> Line:
    shares = [(point.step, point.dev.per_type.get(label)) for point in points]
    colour = f"hsl({hues[label]} var(--line-s) var(--line-l))" if label in hues else "var(--muted)"
    return Line(label, [(step, None if share is None else 100 * share) for step, share in shares], colour, dash)


def _summaries(runs: Mapping[str, Sequence[Point]]) -> list[str]:
    """What there is to say of each run, and of the charts."""
    told = [
        f"{escape(name)}: " * bool(name) + _summary(points, ringed=i == 0)
        for i, (name, points) in enumerate(runs.items())
    ]
    charts = "Loss on train and dev is the mean over words, without dropout."
    if any(cuts_off(point.step for point in points) for points in runs.values()):
        charts += (
            " The axes follow what comes after the first quarter of the steps; a climb before it may be cut off."
        )
    return [*told, charts]


def _summary(points: Sequence[Point], *, ringed: bool) -> str:
    last, best = points[-1], _best(points)
    passes = "" if last.epoch is None else f", in pass {last.epoch + 1:,} over the data"
    time = "" if last.seconds is None else f", after {last.seconds / 60:,.1f} minutes"
    evaluations = f"{len(points):,} evaluation{'s' * (len(points) > 1)}"
    told = f"{evaluations}, the last at step {last.step:,}{passes}{time}."
    if best is not None:
        told += f" Dev F1 is best at step {best.step:,}{' (ringed)' * ringed}: {100 * best.dev.values['ents_f']:.2f}."
    if last.max_steps is not None and last.step >= last.max_steps:
        return told + f" The training ended with its last step, {last.max_steps:,}."
    if best is not None and last.patience is not None and last.step - best.step >= last.patience:
        told += f" It had not risen for {last.patience:,} steps, which ended the training."
    return told
