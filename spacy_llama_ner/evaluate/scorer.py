"""seqeval's strict scores as a spaCy scorer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example

from .matching import project

Scores = dict[str, Any]


def make_seqeval_scorer() -> Callable[..., Scores]:
    """`spacy_llama_ner.seqeval_scorer.v1`: see `seqeval_score`."""
    return seqeval_score


def seqeval_score(examples: Iterable[Example], *, spans_key: str | None = None, **kwargs: Any) -> Scores:
    """Entity precision, recall and F1 as seqeval counts them in strict mode (IOB2), in total and by type.

    Returns ents_p, ents_r, ents_f, ents_per_type (p, r, f by label) and ents_token_acc, the share of words with the
    right tag; all None where no example has gold entities annotated. Words without gold annotation are left out,
    and so are predictions that touch them. Predicted entities are projected onto the words of the gold doc; of those
    that meet there one counts, a right one if there is one, else the first.
    spans_key: the span group that has the predictions; by default they are `doc.ents`.
    """
    pairs = [bio_pair(eg, spans_key=spans_key) for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    if not pairs:
        names = ("ents_p", "ents_r", "ents_f", "ents_per_type", "ents_token_acc")
        return dict.fromkeys(names)
    gold, predicted = [gold for gold, _ in pairs], [predicted for _, predicted in pairs]
    p, r, f, _ = _strict(gold, predicted, average="micro")
    words = [pair for tags in zip(gold, predicted, strict=True) for pair in zip(*tags, strict=True)]
    return {
        "ents_p": float(p),
        "ents_r": float(r),
        "ents_f": float(f),
        "ents_per_type": _by_type(gold, predicted),
        "ents_token_acc": sum(a == b for a, b in words) / len(words) if words else None,
    }


def bio_pair(example: Example, *, spans_key: str | None = None) -> tuple[list[str], list[str]]:
    """Gold and predicted IOB2 tags of the annotated words of the gold doc. spans_key: as of `seqeval_score`."""
    reference, doc = example.reference, example.predicted
    annotated = [token.ent_iob != 0 for token in reference]
    gold = _tags(reference, [(ent.start, ent.end, ent.label_) for ent in reference.ents])
    right = {(ent.start, ent.end, ent.label_) for ent in reference.ents}
    ents: Sequence[Span] = doc.ents if spans_key is None else list(doc.spans.get(spans_key, []))
    found = [(*words, ent.label_) for ent, words in zip(ents, project(example, ents), strict=True) if words]
    projected = []
    taken: set[int] = set()
    for start, end, label in sorted(found, key=lambda entity: entity not in right):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            projected.append((start, end, label))
    predicted = _tags(reference, projected)
    known = [i for i, is_known in enumerate(annotated) if is_known]
    return [gold[i] for i in known], [predicted[i] for i in known]


def _tags(doc: Doc, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    tags = ["O"] * len(doc)
    for start, end, label in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def _by_type(gold: list[list[str]], predicted: list[list[str]]) -> dict[str, dict[str, float]]:
    labels = _labels(gold, predicted)
    if not labels:
        return {}
    columns = _strict(gold, predicted, average=None)[:3]
    return {
        label: {name: float(column[i]) for name, column in zip("prf", columns, strict=True)}
        for i, label in enumerate(labels)
    }


def _labels(*corpora: list[list[str]]) -> list[str]:
    return sorted({tag[2:] for tags in corpora for doc in tags for tag in doc if tag != "O"})


def _strict(gold: list[list[str]], predicted: list[list[str]], *, average: str | None) -> Any:
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    labels = _labels(gold, predicted)
    if not labels:
        return 0.0, 0.0, 0.0, 0
    # seqeval strips hyphens off labels, so it gets numbers that sort as the labels do
    numbers = {label: f"{i:06}" for i, label in enumerate(labels)}
    coded = [
        [[tag if tag == "O" else tag[:2] + numbers[tag[2:]] for tag in doc] for doc in tags]
        for tags in (gold, predicted)
    ]
    return precision_recall_fscore_support(*coded, average=average, scheme=IOB2, zero_division=0)
