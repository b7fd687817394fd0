"""The same sentences in two corpora, told by their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc


def match_words(docs: Iterable[Doc], others: Iterable[Doc]) -> Iterator[tuple[Doc, Doc | None]]:
    """Each of `docs` with the first of `others` that has the same words; None where there is none."""
    by_words: dict[tuple[str, ...], Doc] = {}
    for other in others:
        by_words.setdefault(_words(other), other)
    return ((doc, by_words.get(_words(doc))) for doc in docs)


def _words(doc: Doc) -> tuple[str, ...]:
    return tuple(token.text for token in doc)
