"""Docs, or their sentences, as they are shown: predicted beside gold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from spacy.tokens import Doc
from spacy.training import Example

from .compare import Comparison, Judgement


@dataclass(frozen=True)
class Part:
    """A doc or a sentence of it, with its entities, whose characters count from its start.

    predicted, gold: the text on both sides.
    number, at: of the doc, and of the sentence in it, from 1; `at` is None for the whole doc.
    """

    doc: Doc
    comparison: Comparison
    predicted: str
    gold: str
    number: int
    at: int | None = None

    @property
    def badness(self) -> tuple[int, float]:
        """Number of errors, then how sure the model was of the wrong ones."""
        counts = self.comparison.counts
        sure = sum(ent.score or 0.0 for ent in self.comparison.predicted if ent.verdict == "wrong")
        return counts["wrong"] + counts["missed"], sure


def whole(example: Example, comparison: Comparison, *, number: int) -> Part:
    """A doc as one part."""
    return Part(example.reference, comparison, example.predicted.text, example.reference.text, number)


def worst_sentences(judged: Iterable[Judgement]) -> list[Part]:
    """All sentences with errors: most errors first, then those of which the model was most sure, then in order."""
    found = [
        part
        for number, (eg, comparison) in enumerate(judged, start=1)
        if comparison.has_errors
        for part in sentences(eg, comparison, number=number)
        if part.comparison.has_errors
    ]
    return sorted(found, key=lambda part: part.badness, reverse=True)


def sentences(example: Example, comparison: Comparison, *, number: int) -> list[Part]:
    """Cut a doc at the sentence starts of its gold side, but never within an entity; one without them stays whole."""
    doc, text = example.reference, example.reference.text
    # characters count for both sides only where both have one text
    if not doc.has_annotation("SENT_START") or example.predicted.text != text:
        return [whole(example, comparison, number=number)]
    entities = [*comparison.predicted, *comparison.gold]
    within = {at for ent in entities for at in range(ent.start + 1, ent.end)}
    starts = [sent.start_char for sent in doc.sents if sent.start_char not in within]
    if len(starts) < 2:
        return [whole(example, comparison, number=number)]
    ends = [*starts[1:], len(text)]
    shares = [Comparison([], []) for _ in starts]
    for side in ("predicted", "gold"):
        for ent in getattr(comparison, side):
            i = bisect_right(starts, ent.start) - 1
            getattr(shares[i], side).append(replace(ent, start=ent.start - starts[i], end=ent.end - starts[i]))
    texts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    return [
        Part(doc, share, piece, piece, number, at)
        for at, (piece, share) in enumerate(zip(texts, shares, strict=True), start=1)
    ]
