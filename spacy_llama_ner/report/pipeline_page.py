"""The pages of `llama-ner report` and `llama-ner show`: a trained pipeline, and its predictions beside gold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Any

from spacy.training import Example

from ..evaluate.calibration import calibration_bins, error_of_bins, scored_entities
from ..evaluate.learning_curves import LOSS, Point, SplitScores
from ..evaluate.matching import (
    KINDS,
    EntityPair,
    Kind,
    Mention,
    by_length,
    by_seen,
    compare,
    confusion,
    count_kinds,
    pair_all,
    whole_doc,
    worst_sentences,
)
from ..evaluate.predict import TOTAL, count_gold
from ..evaluate.scorer import ENTS_F, ENTS_P, ENTS_R, ENTS_TOKEN_ACC, Scores
from .charts import Line, is_cropped, line_chart, reliability_diagram
from .rendering import hues_of_examples, render, summarize

TRAIN, DEV = "var(--train)", "var(--dev)"
# colours of types may lie close to each other
DASHES = ("none", "7 4", "2 4", "9 4 2 4")
BINS = 10
ERRORS: dict[Kind, str] = {
    "boundary": "wrong boundary, right type",
    "type": "right boundary, wrong type",
    "both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}


def render_pipeline_report(
    examples: Sequence[Example],
    scores: Scores,
    *,
    title: str,
    limit: int,
    groups: Mapping[str, str],
    curves: Mapping[str, Sequence[Point]] | None = None,
    mentions: Collection[Mention] | None = None,
) -> str:
    """Render scores, learning curves, errors, reliability and the worst sentences of a pipeline.

    Args:
        examples: All those that `scores` is about, with the pipeline's predictions.
        scores: What `predict_and_score` returns.
        title: What was run on what.
        limit: Number of sentences to show, the worst first.
        groups: Span group with the scores, by name of the component (see `score_groups`).
        curves: Learning curves by the names of their trainings, the pipeline's own first. Without any, the page has
            no such section.
        mentions: `mention` of each entity of the training data. Without them, the page says nothing of seen entities.

    Returns:
        HTML.
    """
    judged = [(eg, compare(eg, spans_keys=groups.values())) for eg in examples]
    pairs = pair_all(comparison for _, comparison in judged)
    hues = hues_of_examples(examples)
    worst = worst_sentences(judged)
    n_wrong = sum(comparison.has_errors for _, comparison in judged)
    return render(
        "pipeline",
        heading="Report of a pipeline",
        title=title,
        hues=hues,
        summary=summarize(scores, count_gold(examples), n_docs=len(judged), n_wrong=n_wrong),
        curves=_draw_curves(curves, hues=hues) if curves else None,
        confusion=_confusion_matrix(pairs),
        kinds=_kinds_of_errors(pairs),
        lengths=by_length(judged),
        seen=None if mentions is None else by_seen(judged, mentions),
        n_bins=BINS,
        reliability=_reliability(examples, groups),
        worst=worst[:limit],
        n_worst=len(worst),
    )


def render_predictions(
    examples: Sequence[Example],
    scores: Scores,
    *,
    title: str,
    spans_keys: Iterable[str] = ("llama_ner",),
    limit: int | None = None,
) -> str:
    """Render whole docs, predictions beside gold, those with errors first.

    Args:
        examples: All those that `scores` is about, with the pipeline's predictions.
        scores: What `predict_and_score` returns.
        title: What was run on what.
        spans_keys: Span groups that hold the scores of entities; those that are missing are ignored.
        limit: Number of docs to show; by default all.

    Returns:
        HTML.
    """
    keys = list(spans_keys)
    docs = [whole_doc(eg, compare(eg, spans_keys=keys), number=number) for number, eg in enumerate(examples, start=1)]
    wrong = [doc for doc in docs if doc.comparison.has_errors]
    shown = [*wrong, *(doc for doc in docs if not doc.comparison.has_errors)][:limit]
    return render(
        "predictions",
        heading="Predictions beside gold",
        title=title,
        hues=hues_of_examples(examples),
        summary=summarize(scores, count_gold(examples), n_docs=len(docs), n_wrong=len(wrong)),
        wrong=shown[: len(wrong)],
        others=shown[len(wrong) :],
        n_docs=len(docs),
        n_shown=len(shown),
    )


def _draw_curves(curves: Mapping[str, Sequence[Point]], *, hues: Mapping[str, int]) -> dict[str, Any]:
    """Charts of all that was measured, and notes about it.

    Args:
        curves: At least one, each of one point or more, by the names of their trainings. The first is the pipeline's
            own; the others are drawn beside it where there is train and dev. One alone is not named.
        hues: Colours of the labels; other labels are drawn in grey.
    """
    own, points = next(iter(curves.items()))
    runs, whose = (curves, f", {own}") if len(curves) > 1 else ({"": points}, "")
    best = _best_point(points)
    labels = sorted({label for point in points for label in point.dev.per_type})
    charts = [
        line_chart(
            "F1, %, whole entities",
            _train_and_dev(runs, _percentage(ENTS_F)),
            mark=None if best is None else (best.step, 100 * best.dev.values[ENTS_F]),
        ),
        line_chart("Loss", _train_and_dev(runs, lambda scores: scores.values.get(LOSS))),
        line_chart("Words with the right tag, %", _train_and_dev(runs, _percentage(ENTS_TOKEN_ACC))),
        line_chart(
            f"Precision and recall on dev, %{whose}",
            [
                Line("precision", [(p.step, _percentage(ENTS_P)(p.dev)) for p in points], "var(--one)"),
                Line("recall", [(p.step, _percentage(ENTS_R)(p.dev)) for p in points], "var(--two)"),
            ],
        ),
        line_chart(
            f"F1 on dev by type, %{whose}",
            [_type_line(points, label, hues=hues, dash=dash) for label, dash in zip(labels, cycle(DASHES))],
        ),
        *(
            line_chart(f"Loss of {name} in training, per step{whose}", [_training_loss(points, name)])
            for name in dict.fromkeys(name for point in points for name in point.losses)
        ),
    ]
    return {"notes": _curve_notes(runs), "charts": [chart for chart in charts if chart is not None]}


def _best_point(points: Sequence[Point]) -> Point | None:
    return max((p for p in points if ENTS_F in p.dev.values), key=lambda p: p.dev.values[ENTS_F], default=None)


Measure = Callable[[SplitScores], float | None]


def _percentage(key: str) -> Measure:
    def measure(scores: SplitScores) -> float | None:
        share = scores.values.get(key)
        return None if share is None else 100 * share

    return measure


def _train_and_dev(runs: Mapping[str, Sequence[Point]], measure: Measure) -> list[Line]:
    """Train and dev of each run, in the same two colours."""
    return [
        Line(
            f"{run} {split}".strip(),
            [(p.step, measure(getattr(p, split) or SplitScores())) for p in points],
            colour,
            dash,
        )
        for (run, points), dash in zip(runs.items(), cycle(DASHES))
        for split, colour in (("train", TRAIN), ("dev", DEV))
    ]


def _type_line(points: Sequence[Point], label: str, *, hues: Mapping[str, int], dash: str) -> Line:
    shares = [(point.step, point.dev.per_type.get(label, {}).get("f")) for point in points]
    colour = f"hsl({hues[label]} var(--line-s) var(--line-l))" if label in hues else "var(--muted)"
    return Line(label, [(step, None if share is None else 100 * share) for step, share in shares], colour, dash)


def _training_loss(points: Sequence[Point], component: str) -> Line:
    """The mean of what spaCy sums up from one evaluation to the next; it evaluates for the first time at step 0."""
    steps = [-1, *(point.step for point in points)]
    counts = [max(step - before, 1) for before, step in pairwise(steps)]
    sums = [point.losses.get(component) for point in points]
    means = [None if total is None else total / n for total, n in zip(sums, counts, strict=True)]
    return Line(component, list(zip(steps[1:], means, strict=True)), TRAIN)


def _curve_notes(runs: Mapping[str, Sequence[Point]]) -> list[str]:
    """What there is to say of each run, and of the charts."""
    notes = [
        (f"{name}: " if name else "") + _describe_run(points, is_ringed=number == 0)
        for number, (name, points) in enumerate(runs.items())
    ]
    charts = "Loss on train and dev is the mean over words, without dropout."
    if any(is_cropped(point.step for point in points) for points in runs.values()):
        charts += (
            " The axes follow what comes after the first quarter of the steps; a climb before it may be cut off."
        )
    return [*notes, charts]


def _describe_run(points: Sequence[Point], *, is_ringed: bool) -> str:
    last, best = points[-1], _best_point(points)
    passes = "" if last.epoch is None else f", in pass {last.epoch + 1:,} over the data"
    time = "" if last.seconds is None else f", after {last.seconds / 60:,.1f} minutes"
    told = (
        f"{len(points):,} evaluation{'s' if len(points) > 1 else ''}, the last at step {last.step:,}{passes}{time}."
    )
    if best is not None:
        ringed = " (ringed)" if is_ringed else ""
        told += f" Dev F1 is best at step {best.step:,}{ringed}: {100 * best.dev.values[ENTS_F]:.2f}."
    if last.max_steps is not None and last.step >= last.max_steps:
        return told + f" The training ended with its last step, {last.max_steps:,}."
    if best is not None and last.patience is not None and last.step - best.step >= last.patience:
        told += f" It had not risen for {last.patience:,} steps, which ended the training."
    return told


@dataclass(frozen=True)
class ConfusionCell:
    """How often a gold label was predicted as another, the share of its row, and whether both are the same."""

    count: int
    share: float
    right: bool

    @property
    def strength(self) -> float:
        """Strength of the colour: the root lets few errors among many right ones be seen."""
        return float(self.share**0.5)


def _confusion_matrix(pairs: Sequence[EntityPair]) -> dict[str, Any]:
    """Gold labels by predicted labels, with a last row for spurious and a last column for missed entities."""
    counts = confusion(pairs)
    labels = sorted({label for cell in counts for label in cell if label is not None})
    columns = [*labels, None]
    rows = []
    for gold in columns:
        total = sum(counts[gold, predicted] for predicted in columns) or 1
        cells: list[ConfusionCell | None] = [
            ConfusionCell(counts[gold, predicted], counts[gold, predicted] / total, gold == predicted)
            for predicted in columns
        ]
        # what is in neither has no cell
        rows.append((gold, cells if gold is not None else [*cells[:-1], None]))
    return {"labels": labels, "rows": rows}


def _kinds_of_errors(pairs: Sequence[EntityPair]) -> dict[str, Any]:
    """Boundary errors against type errors, in total and by label."""
    total: Counter[Kind] = Counter(pair.kind for pair in pairs)
    rows = []
    for name, counts in [(TOTAL, total), *count_kinds(pairs).items()]:
        n_errors = sum(counts[kind] for kind in ERRORS) or 1
        parts = [(counts[kind] / n_errors, f"k-{kind}") for kind in ERRORS]
        rows.append((name, [counts[kind] for kind in KINDS], parts))
    return {"errors": ERRORS, "rows": rows, "total": TOTAL}


def _reliability(examples: Sequence[Example], groups: Mapping[str, str]) -> list[dict[str, Any]]:
    """Calibration of each span group with scores, under the names of the components that write to it."""
    components: dict[str, list[str]] = {}
    for name, key in groups.items():
        components.setdefault(key, []).append(name)
    found = []
    for key, names in components.items():
        scores, right = scored_entities(examples, spans_key=key)
        group: dict[str, Any] = {"components": ", ".join(names), "chart": None}
        if scores:
            bins = calibration_bins(scores, right, bins=BINS)
            group |= {"bins": bins, "error": error_of_bins(bins), "chart": reliability_diagram(bins)}
        found.append(group)
    return found
