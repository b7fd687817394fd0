"""What to buy: the docs with the highest scores that a budget pays for, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from spacy.tokens import Doc

from ..annotate.near import NearDuplicates
from ..data.matching import words_of

Unit = Literal["words", "sentences"]


def price(doc: Doc, unit: Unit) -> int:
    """What labels for a doc take from the budget: experts are paid by the word, or by the sentence (doc)."""
    return len(doc) if unit == "words" else 1


def select(
    docs: Sequence[Doc],
    scores: Sequence[float],
    *,
    budget: int,
    unit: Unit,
    near: float | None,
    bought: Iterable[Doc] = (),
) -> list[int]:
    """The places of the docs of highest score, in that order; among equals the first.

    A doc that costs more than what is left of the budget is passed over, and the next one gets its chance. So is one
    that is nearly the same as one before it or one of `bought`.

    near: share of their words from which on two docs are nearly the same (see `NearDuplicates`); null for docs with
        the same words alone.

    Without docs that fit, nothing is chosen. Docs without words never are.
    """
    taken = _Taken(near)
    for doc in bought:
        taken.add(doc)
    chosen: list[int] = []
    left = budget
    for at in sorted(range(len(docs)), key=lambda i: -scores[i]):
        cost = price(docs[at], unit)
        if left <= 0:
            break
        if len(docs[at]) and cost <= left and docs[at] not in taken:
            chosen.append(at)
            taken.add(docs[at])
            left -= cost
    return chosen


class _Taken:
    """Docs that have been chosen, and those that are as good as the same."""

    def __init__(self, near: float | None) -> None:
        self._same: set[tuple[str, ...]] = set()
        self._near = None if near is None else NearDuplicates(near)

    def add(self, doc: Doc) -> None:
        self._same.add(words_of(doc))
        if self._near is not None:
            self._near.add(doc.text)

    def __contains__(self, doc: Doc) -> bool:
        return words_of(doc) in self._same or (self._near is not None and self._near.find(doc.text) is not None)
