"""seqeval's strict scores as a spaCy scorer, and the keys of all scores of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..pipeline.llama_ner_generative import FAILURES
from .matching import project

# scores by key, as `nlp.evaluate` returns them: some of the keys below, and those of other components
Scores = dict[str, Any]

# precision, recall and F1 of whole entities, 0 to 1
ENTS_P, ENTS_R, ENTS_F = "ents_p", "ents_r", "ents_f"
# the same by label: {label: {"p": ..., "r": ..., "f": ...}}
ENTS_PER_TYPE = "ents_per_type"
# share of the words with the right tag, 0 to 1
ENTS_TOKEN_ACC = "ents_token_acc"
# expected calibration error of the entities' scores, 0 to 1
ENTS_ECE = "ents_ece"
# number of generated answers that could not be parsed to their end
PARSE_FAILURES = FAILURES
# words per second
SPEED = "speed"

# what `seqeval_score` returns
ENTS_KEYS = (ENTS_P, ENTS_R, ENTS_F, ENTS_PER_TYPE, ENTS_TOKEN_ACC)
# what `predict_and_score` returns, the last but one and two only where components give them
SCORE_KEYS = (*ENTS_KEYS, ENTS_ECE, PARSE_FAILURES, SPEED)


def make_seqeval_scorer() -> Callable[..., Scores]:
    """Create the scorer `spacy_llama_ner.seqeval_scorer.v1`, the default of the components.

    Returns:
        The function `seqeval_score`.
    """
    return seqeval_score


def seqeval_score(examples: Iterable[Example], *, spans_key: str | None = None, **kwargs: Any) -> Scores:
    """Compute entity precision, recall and F1 as seqeval counts them in strict mode (IOB2), in total and by type.

    Words without gold annotation are left out, and so are predictions that touch them. Predicted entities are
    projected onto the words of the gold doc. Where several meet there, one counts: a right one if there is one,
    otherwise the first.

    Args:
        examples: Predicted docs and gold docs.
        spans_key: Span group that holds the predictions; by default they are `doc.ents`.
        **kwargs: Ignored. spaCy passes the scorer's config.

    Returns:
        `ents_p`, `ents_r`, `ents_f`, `ents_per_type` (p, r, f by label) and `ents_token_acc`, the share of words
        with the right tag, all from 0 to 1. All are None if no example has gold entities annotated.
    """
    pairs = [bio_pair(eg, spans_key=spans_key) for eg in examples if eg.reference.has_annotation("ENT_IOB")]
    if not pairs:
        return dict.fromkeys(ENTS_KEYS)
    gold, predicted = [gold for gold, _ in pairs], [predicted for _, predicted in pairs]
    p, r, f, _ = _strict_scores(gold, predicted, average="micro")
    words = [pair for tags in zip(gold, predicted, strict=True) for pair in zip(*tags, strict=True)]
    return {
        ENTS_P: float(p),
        ENTS_R: float(r),
        ENTS_F: float(f),
        ENTS_PER_TYPE: _scores_by_type(gold, predicted),
        ENTS_TOKEN_ACC: sum(a == b for a, b in words) / len(words) if words else None,
    }


def bio_pair(example: Example, *, spans_key: str | None = None) -> tuple[list[str], list[str]]:
    """Return the gold and the predicted IOB2 tags of the gold doc's annotated words.

    Args:
        example: A predicted doc and a gold doc, whose words may differ.
        spans_key: As for `seqeval_score`.

    Returns:
        Two lists of equal length.
    """
    reference, doc = example.reference, example.predicted
    right = {(ent.start, ent.end, ent.label_) for ent in reference.ents}
    ents: Sequence[Span] = doc.ents if spans_key is None else list(doc.spans.get(spans_key, []))
    found = [(*words, ent.label_) for ent, words in zip(ents, project(example, ents), strict=True) if words]
    projected = []
    taken: set[int] = set()
    for start, end, label in sorted(found, key=lambda entity: entity not in right):
        if taken.isdisjoint(range(start, end)):
            taken.update(range(start, end))
            projected.append((start, end, label))
    gold = _bio_tags(reference, [(ent.start, ent.end, ent.label_) for ent in reference.ents])
    predicted = _bio_tags(reference, projected)
    annotated = [i for i, token in enumerate(reference) if token.ent_iob != 0]
    return [gold[i] for i in annotated], [predicted[i] for i in annotated]


def _bio_tags(doc: Doc, spans: Iterable[tuple[int, int, str]]) -> list[str]:
    tags = ["O"] * len(doc)
    for start, end, label in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def _scores_by_type(gold: list[list[str]], predicted: list[list[str]]) -> dict[str, dict[str, float]]:
    labels = _labels(gold, predicted)
    if not labels:
        return {}
    columns = _strict_scores(gold, predicted, average=None)[:3]
    return {
        label: {name: float(column[i]) for name, column in zip("prf", columns, strict=True)}
        for i, label in enumerate(labels)
    }


def _labels(*corpora: list[list[str]]) -> list[str]:
    return sorted({tag[2:] for tags in corpora for doc in tags for tag in doc if tag != "O"})


def _strict_scores(gold: list[list[str]], predicted: list[list[str]], *, average: str | None) -> Any:
    """Precision, recall, F1 and support: numbers for the average "micro", arrays over the sorted labels for None."""
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
