"""Where a pipeline does not believe silver labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spacy.language import Language
from spacy.tokens import Doc

from ..data.copies import unlabelled

Disagreement = Literal["keep", "mask", "drop"]


@dataclass(frozen=True)
class Filtered:
    """docs: what is left to train on. dropped: docs that are left out. masked: words whose label is left open."""

    docs: list[Doc]
    dropped: int = 0
    masked: int = 0


def filter_silver(nlp: Language, silver: Sequence[Doc], *, disagreement: Disagreement) -> Filtered:
    """Silver docs without what a trained pipeline sees differently.

    disagreement: what becomes of it. "keep": nothing, the labels stay. "mask": entities that only one of the two has
        become words without a label, which teach nothing. "drop": the whole doc goes.
    """
    if disagreement == "keep" or not silver:
        return Filtered(list(silver))
    docs, dropped, masked = [], 0, 0
    predicted = nlp.pipe(unlabelled(doc, nlp.vocab) for doc in silver)
    for doc, other in zip(silver, predicted, strict=True):
        doubted = doubted_words(doc, other)
        if doubted and disagreement == "drop":
            dropped += 1
            continue
        masked += sum(end - start for start, end in doubted)
        docs.append(mask(doc, doubted) if doubted else doc)
    return Filtered(docs, dropped, masked)


def first_silver(silver: Sequence[Doc], *, gold: Sequence[Doc], disagreement: Disagreement) -> Filtered:
    """What the first pipeline learns from beside `gold`, as long as there is none that could doubt it.

    Where gold has entities, silver waits for the pipeline that they make; without, it is all there is.
    """
    waits = disagreement != "keep" and any(doc.ents for doc in gold)
    return Filtered([], dropped=len(silver)) if waits else Filtered(list(silver))


def doubted_words(doc: Doc, other: Doc) -> list[tuple[int, int]]:
    """The ranges of words of entities that only one of two docs of the same words has, merged where they overlap."""
    first, second = ({(ent.start, ent.end, ent.label_) for ent in each.ents} for each in (doc, other))
    ranges: list[tuple[int, int]] = []
    for start, end, _ in sorted(first ^ second):
        if ranges and start < ranges[-1][1]:
            ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
        else:
            ranges.append((start, end))
    return ranges


def mask(doc: Doc, ranges: Sequence[tuple[int, int]]) -> Doc:
    """A copy of `doc` in which it is open what label these words have; all others keep what they have."""
    copy = doc.copy()
    copy.set_ents([], missing=[copy[start:end] for start, end in ranges], default="unmodified")
    return copy
