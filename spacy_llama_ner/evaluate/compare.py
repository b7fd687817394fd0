"""Which entities of a doc are right, wrong, missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from spacy.tokens import Doc, Span
from spacy.training import Example

Verdict = Literal["right", "wrong", "missed", "unjudged"]
# first word and the word behind the last
Words = tuple[int, int]


@dataclass(frozen=True)
class Judged:
    """An entity by its characters, with a verdict and, where there is one, the model's own probability.

    words: those of the gold doc that the entity stands on; None where they cannot be judged.
    """

    start: int
    end: int
    label: str
    verdict: Verdict
    words: Words | None
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


Judgement = tuple[Example, Comparison]


def compare(example: Example, *, spans_keys: Iterable[str] = ("llama_ner",)) -> Comparison:
    """Judge each entity as spaCy's scorer does.

    A prediction is projected onto the words of the gold doc; it is right where a gold entity has just these
    words and this label, and unjudged where it touches a word without gold annotation.
    spans_keys: span groups of the predicted doc that hold scores, as far as they are there.
    """
    reference = example.reference
    left = {(ent.start, ent.end, ent.label_) for ent in reference.ents}
    scores = {(s.start, s.end, s.label_): score for key in spans_keys for s, score in scored_spans(example, key)}
    ents = example.predicted.ents
    predicted = []
    for ent, words in zip(ents, project(example, ents), strict=True):
        verdict: Verdict = "unjudged"
        if words is not None:
            verdict = "right" if (*words, ent.label_) in left else "wrong"
            left.discard((*words, ent.label_))
        score = scores.get((ent.start, ent.end, ent.label_))
        predicted.append(Judged(ent.start_char, ent.end_char, ent.label_, verdict, words, score))
    gold = [
        Judged(
            ent.start_char,
            ent.end_char,
            ent.label_,
            "missed" if (ent.start, ent.end, ent.label_) in left else "right",
            (ent.start, ent.end),
        )
        for ent in reference.ents
    ]
    return Comparison(predicted, gold)


def project(example: Example, spans: Sequence[Span]) -> list[Words | None]:
    """The words of the gold doc that spans of the predicted doc stand on, as spaCy's scorer finds them.

    None where there are none, or where one of them has no gold annotation.
    """
    reference = example.reference
    if not spans:
        return []
    x2y = example.alignment.x2y
    found: list[Words | None] = []
    for span in spans:
        indices = x2y[span.start : span.end]
        words = (int(indices[0]), int(indices[-1]) + 1) if len(indices) else (0, 0)
        known = len(indices) and all(word.ent_iob != 0 for word in reference[words[0] : words[1]])
        found.append(words if known else None)
    return found


def scored_spans(example: Example, spans_key: str) -> list[tuple[Span, float]]:
    """The spans of one group of the predicted doc, with their scores; none where there is no such group."""
    doc: Doc = example.predicted
    if spans_key not in doc.spans:
        return []
    group = doc.spans[spans_key]
    return [(span, float(score)) for span, score in zip(group, group.attrs.get("scores", ()), strict=False)]
