"""Which entities of a doc are right, wrong, missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from spacy.tokens import Doc
from spacy.training import Example

Verdict = Literal["right", "wrong", "missed", "unjudged"]


@dataclass(frozen=True)
class Judged:
    """An entity by its characters, with a verdict and, where there is one, the model's own probability."""

    start: int
    end: int
    label: str
    verdict: Verdict
    score: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What was predicted on a doc beside what its gold annotation says."""

    predicted: list[Judged]
    gold: list[Judged]

    @property
    def counts(self) -> Counter[Verdict]:
        """Predicted entities by verdict, and the gold ones that were missed."""
        missed = (ent.verdict for ent in self.gold if ent.verdict == "missed")
        return Counter([*(ent.verdict for ent in self.predicted), *missed])

    @property
    def has_errors(self) -> bool:
        """Whether an entity is wrong or missed."""
        return bool(self.counts["wrong"] or self.counts["missed"])


def compare(example: Example, *, spans_key: str = "llama_ner") -> Comparison:
    """Judge each entity as spaCy's scorer does.

    A prediction is projected onto the words of the gold doc; it is right where a gold entity has just these
    words and this label, and unjudged where it touches a word without gold annotation.
    spans_key: span group of the predicted doc that holds the scores, if there is one.
    """
    reference = example.reference
    left = {(ent.start, ent.end, ent.label_) for ent in reference.ents}
    scores = _scores(example.predicted, spans_key)
    predicted = []
    for ent in example.predicted.ents:
        verdict: Verdict = "unjudged"
        words = example.alignment.x2y[ent.start : ent.end]
        start, end = (int(words[0]), int(words[-1]) + 1) if len(words) else (0, 0)
        if len(words) and all(word.ent_iob != 0 for word in reference[start:end]):
            verdict = "right" if (start, end, ent.label_) in left else "wrong"
            left.discard((start, end, ent.label_))
        score = scores.get((ent.start, ent.end, ent.label_))
        predicted.append(Judged(ent.start_char, ent.end_char, ent.label_, verdict, score))
    gold = [
        Judged(
            ent.start_char,
            ent.end_char,
            ent.label_,
            "missed" if (ent.start, ent.end, ent.label_) in left else "right",
        )
        for ent in reference.ents
    ]
    return Comparison(predicted, gold)


def judged_scores(examples: Iterable[Example], *, spans_keys: Sequence[str]) -> tuple[list[float], list[bool]]:
    """The scores of the entities in these span groups of the predicted docs, and whether each entity is right.

    Entities that touch words without gold annotation are left out.
    """
    entities = (ent for eg in examples for key in spans_keys for ent in compare(eg, spans_key=key).predicted)
    scores, right = [], []
    for ent in entities:
        if ent.score is not None and ent.verdict != "unjudged":
            scores.append(ent.score)
            right.append(ent.verdict == "right")
    return scores, right


def _scores(doc: Doc, spans_key: str) -> dict[tuple[int, int, str], float]:
    if spans_key not in doc.spans:
        return {}
    group = doc.spans[spans_key]
    return {
        (span.start, span.end, span.label_): float(score)
        for span, score in zip(group, group.attrs.get("scores", ()), strict=False)
    }
