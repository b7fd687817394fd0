"""The same sentences in two corpora, told by their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc


def match_words(docs: Iterable[Doc], others: Iterable[Doc]) -> Iterator[tuple[Doc, Doc | None]]:
    """Each of `docs` with the first of `others` that has the same words; None where there is none."""
    first = by_words(others)
    return ((doc, first.get(words_of(doc))) for doc in docs)


def by_words(docs: Iterable[Doc]) -> dict[tuple[str, ...], Doc]:
    """The first doc of each sentence, in order."""
    first: dict[tuple[str, ...], Doc] = {}
    for doc in docs:
        first.setdefault(words_of(doc), doc)
    return first


def words_of(doc: Doc) -> tuple[str, ...]:
    """What tells one sentence from another."""
    return tuple(token.text for token in doc)
