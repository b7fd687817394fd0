"""The same sentences in two corpora, told by their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc


def match_words(docs: Iterable[Doc], others: Iterable[Doc]) -> Iterator[tuple[Doc, Doc | None]]:
    """Each of `docs` with the first of `others` that has the same words; None where there is none."""
    by_words: dict[tuple[str, ...], Doc] = {}
    for other in others:
        by_words.setdefault(words_of(other), other)
    return ((doc, by_words.get(words_of(doc))) for doc in docs)


def words_of(doc: Doc) -> tuple[str, ...]:
    """What tells one sentence from another."""
    return tuple(token.text for token in doc)
