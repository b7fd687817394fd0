"""The page about a trained pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from html import escape
from itertools import cycle, pairwise
from typing import Any

from spacy.training import Example

from ..evaluate.learning_curves import Point, SplitScores
from ..evaluate.matching import (
    KINDS,
    EntityPair,
    Judgement,
    Kind,
    Mention,
    Tally,
    by_length,
    by_seen,
    compare,
    confusion,
    count_kinds,
    pair_all,
    whole,
    worst_sentences,
)
from ..evaluate.predict import TOTAL, count_gold, percent
from .charts import Line, cuts_off, line_chart, reliability_section
from .html import (
    KEY,
    REPORT_CSS,
    Section,
    bar,
    join_sections,
    label_hues,
    label_mark,
    note,
    render_headline,
    render_pair,
    render_shell,
    table,
)

TRAIN, DEV = "var(--train)", "var(--dev)"
# colours of types may lie close to each other
DASHES = ("none", "7 4", "2 4", "9 4 2 4")
Pick = Callable[[SplitScores], float | None]


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
        Line(f"{run} {split}".strip(), [(p.step, pick(getattr(p, split) or SplitScores())) for p in points], colour, dash)
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
    def pick(scores: SplitScores) -> float | None:
        share = scores.values.get(key)
        return None if share is None else 100 * share

    return pick


def _type_line(points: Sequence[Point], label: str, *, hues: Mapping[str, int], dash: str) -> Line:
    shares = [(point.step, point.dev.per_type.get(label, {}).get("f")) for point in points]
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


NOTHING = '<span class="none">0</span>'
ERRORS: dict[Kind, str] = {
    "boundary": "wrong boundary, right type",
    "type": "right boundary, wrong type",
    "both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}


def confusion_section(pairs: Sequence[EntityPair], *, hues: Mapping[str, int]) -> Section:
    """Gold types by predicted types, with a row for spurious and a column for missed entities."""
    counts = confusion(pairs)
    labels: list[str | None] = [*sorted({label for cell in counts for label in cell if label is not None}), None]
    rows = []
    for gold in labels:
        total = sum(counts[gold, predicted] for predicted in labels)
        cells = [_share(counts[gold, predicted], total, right=gold == predicted) for predicted in labels]
        # what is in neither has no cell
        rows.append((label_mark(gold, hues), *cells) if gold else ("spurious", *cells[:-1], ""))
    header = ("gold ↓ predicted →", *(label_mark(label, hues) if label else "missed" for label in labels))
    told = (
        "A gold entity stands against the predicted one that shares words with it, whether or not the boundaries "
        "agree. <em>Missed</em> ones have no such prediction, <em>spurious</em> ones no such gold entity. The "
        "stronger a colour, the larger the share of the row."
    )
    return Section("confusion", "Confusion between types", note(told) + table(header, rows, kind="matrix"))


def kinds_section(pairs: Sequence[EntityPair], *, hues: Mapping[str, int]) -> Section:
    """Boundary errors against type errors, in total and by type."""
    by_label = count_kinds(pairs)
    total: Counter[Kind] = Counter(pair.kind for pair in pairs)
    rows = [_kinds_row(TOTAL, total), *(_kinds_row(label_mark(label, hues), by_label[label]) for label in by_label)]
    names = (f'<i class="swatch k-{kind}"></i>{name}' for kind, name in ERRORS.items())
    told = "Rows are gold types; a spurious entity counts for the type it was predicted to have."
    body = note(told) + table(("", "correct", *names, "all errors"), rows, kind="kinds")
    return Section("kinds", "Boundary errors against type errors", body)


def _share(count: int, total: int, *, right: bool) -> str:
    if not count:
        return NOTHING
    share = count / total
    # the root lets few errors among many right ones be seen
    style = f'class="{"right" if right else "wrong"}" style="--share: {share**0.5:.2f}"'
    return f'<span {style} title="{100 * share:.1f}% of the row">{count:,}</span>'


def _kinds_row(name: str, counts: Counter[Kind]) -> tuple[str, ...]:
    total = sum(counts[kind] for kind in ERRORS) or 1
    shares = bar(*((counts[kind] / total, f"k-{kind}") for kind in ERRORS))
    return (name, *(f"{counts[kind]:,}" if counts[kind] else NOTHING for kind in KINDS), shares)


HEADER = ("P", "R", "F1", "gold", "predicted", "F1, 0 to 100")


def length_section(judged: Sequence[Judgement]) -> Section:
    """Scores by number of words."""
    told = "Entities by their own number of words: predicted ones count for precision, gold ones for recall."
    return Section("length", "F1 by entity length", note(told) + _table("words", by_length(judged)))


def seen_section(judged: Sequence[Judgement], mentions: Collection[Mention]) -> Section:
    """Scores of entities that the training data has, and of those that it has not."""
    told = (
        "An entity is seen if the same text with the same label is an entity of the training data. Predicted ones "
        "count for precision by what was predicted, gold ones for recall."
    )
    return Section("seen", "F1 of seen and unseen entities", note(told) + _table("", by_seen(judged, mentions)))


def _table(name: str, tallies: Mapping[str, Tally]) -> str:
    rows = [
        (
            group,
            *(percent(share) for share in (tally.p, tally.r, tally.f)),
            f"{tally.gold:,}",
            f"{tally.predicted:,}",
            bar((tally.f or 0.0, "fill")),
        )
        for group, tally in tallies.items()
    ]
    return table((name, *HEADER), rows)


def sentences_section(judged: Sequence[Judgement], *, limit: int, hues: Mapping[str, int]) -> Section:
    """Sentences with errors, the worst first, at most `limit` of them."""
    found = worst_sentences(judged)
    shown = found[:limit]
    told = "Most errors first, then those of whose wrong entities the model was most sure. "
    if not found:
        told = "No sentence has an error. "
    elif len(shown) < len(found):
        left = len(found) - len(shown)
        told += f"{len(shown):,} of {len(found):,} sentences with errors are shown, {left:,} left out. "
    pairs = "".join(render_pair(part, hues=hues) for part in shown)
    return Section("sentences", "Worst sentences", f'{note(told + KEY)}<div class="stacked">{pairs}</div>')


def render_report(
    examples: Sequence[Example],
    scores: Mapping[str, Any],
    *,
    title: str,
    limit: int,
    groups: Mapping[str, str],
    curves: Mapping[str, Sequence[Point]] | None = None,
    mentions: Collection[Mention] | None = None,
) -> str:
    """The page, as HTML.

    examples: with the pipeline's predictions, all those that `scores` is about.
    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type).
    title: what was run on what.
    limit: number of sentences shown, the worst first.
    groups: span group with the scores by name of the component (`predict.score_groups`).
    curves: learning curves by the names of their trainings, the pipeline's own first; without any there is no such
        section.
    mentions: `mention` of each entity of the training data; without them nothing is said of seen entities.
    """
    judged = [(eg, compare(eg, spans_keys=groups.values())) for eg in examples]
    pairs = pair_all(comparison for _, comparison in judged)
    gold = count_gold(examples)
    hues = label_hues([*sorted(gold), *sorted({ent.label_ for eg in examples for ent in eg.predicted.ents})])
    n_wrong = sum(comparison.has_errors for _, comparison in judged)
    headline = render_headline(scores, gold, hues=hues, n_docs=len(judged), n_wrong=n_wrong)
    told = (
        "An entity is right if its first word, its last word and its label are gold. The last "
        "column is the support, the number of gold entities."
    )
    sections = [Section("scores", "Scores by type", headline + note(told))]
    if curves:
        sections.append(curves_section(curves, hues=hues))
    sections += [confusion_section(pairs, hues=hues), kinds_section(pairs, hues=hues), length_section(judged)]
    if mentions is not None:
        sections.append(seen_section(judged, mentions))
    sections += [reliability_section(examples, groups), sentences_section(judged, limit=limit, hues=hues)]
    return render_shell(heading="Report of a pipeline", title=title, body=join_sections(sections), css=REPORT_CSS)


def render_page(
    examples: Sequence[Example],
    scores: Mapping[str, Any],
    *,
    title: str,
    spans_keys: Iterable[str] = ("llama_ner",),
    limit: int | None = None,
) -> str:
    """The page, as HTML.

    examples: with the pipeline's predictions, all those that `scores` is about.
    scores: what `nlp.evaluate` gives (ents_p, ents_r, ents_f, ents_per_type).
    title: what was run on what.
    spans_keys: span groups that hold the scores of entities, as far as they are there.
    limit: number of docs shown, those with errors first; by default all.
    """
    keys = list(spans_keys)
    docs = [whole(eg, compare(eg, spans_keys=keys), number=number) for number, eg in enumerate(examples, start=1)]
    wrong = [doc for doc in docs if doc.comparison.has_errors]
    shown = [*wrong, *(doc for doc in docs if not doc.comparison.has_errors)][:limit]
    gold = count_gold(examples)
    hues = label_hues([*sorted(gold), *sorted({ent.label_ for eg in examples for ent in eg.predicted.ents})])
    sections = (("Docs with errors", shown[: len(wrong)]), ("Docs without errors", shown[len(wrong) :]))
    body = [
        render_headline(scores, gold, hues=hues, n_docs=len(docs), n_wrong=len(wrong)),
        f'<p class="note">{_note(n_docs=len(docs), n_shown=len(shown))}</p>',
        *(
            f"<h2>{name}</h2>\n" + "".join(render_pair(doc, hues=hues) for doc in part)
            for name, part in sections
            if part
        ),
    ]
    return render_shell(heading="Predictions beside gold", title=title, body="\n".join(body))


def _note(*, n_docs: int, n_shown: int) -> str:
    part = "" if n_shown == n_docs else f" {n_shown:,} of {n_docs:,} docs are shown; the scores are of all."
    return KEY + part
