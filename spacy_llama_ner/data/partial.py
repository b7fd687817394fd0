"""Docs of which not every word's annotation is known (spaCy's "missing"), and how they come about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spacy.tokens import Doc, Span

from .cut import part
from .matching import words_of

Place = tuple[int, int, str]


def is_known(doc: Doc) -> list[bool]:
    """Whether each word has entity annotation."""
    return [token.ent_iob != 0 for token in doc]


def agreed(docs: Sequence[Doc]) -> Doc:
    """A copy of the first doc with what all of `docs` agree on: labels of two annotators, or silver and gold.

    docs: of the same words. An entity stands where each doc either has the same or knows nothing of its words. The
    words of one that others deny, cut elsewhere or call otherwise are not known, nor are those of which no doc knows
    anything. A doc that knows nothing of a word leaves it to the others.

    Raises: ValueError where the words differ.
    """
    first = docs[0].copy()
    if len({words_of(doc) for doc in docs}) > 1:
        raise ValueError(f"These docs do not have the same words: {[doc.text[:60] for doc in docs]}.")
    known = [is_known(doc) for doc in docs]
    places = [{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in docs]
    every: set[Place] = set().union(*places)

    def stands(place: Place) -> bool:
        words = slice(*place[:2])
        return all(place in of_doc or not any(knows[words]) for of_doc, knows in zip(places, known, strict=True))

    kept = sorted(place for place in every if stands(place))
    open_words = {i for start, end, _ in every.difference(kept) for i in range(start, end)}
    open_words |= {i for i in range(len(first)) if not any(knows[i] for knows in known)}
    first.set_ents(
        [Span(first, start, end, label=label) for start, end, label in kept],
        missing=[first[i : i + 1] for i in sorted(open_words)],
        default="outside",
    )
    return first


def known_parts(doc: Doc) -> Iterator[Doc]:
    """The stretches of words with annotation as docs of their own: the other way to train on what is partly known."""
    known = is_known(doc)
    start = 0
    for i in range(len(doc) + 1):
        if i == len(doc) or not known[i]:
            if i > start:
                yield part(doc, start, i)
            start = i + 1
