"""Docs cut into texts that are asked about one at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from spacy.tokens import Doc

ENDINGS = (".", "!", "?")


class Chunk(NamedTuple):
    """Words of a doc that follow each other, without those that are white space.

    words: their texts.
    gaps: what stands in front of each; nothing in front of the first.
    tokens: their indices in the doc.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    tokens: tuple[int, ...]

    @property
    def text(self) -> str:
        """The text that they make."""
        return "".join(gap + word for gap, word in zip(self.gaps, self.words, strict=True))


def cut(doc: Doc, *, window: int) -> list[Chunk]:
    """Chunks of at most `window` words each, in order; a doc without words has none.

    A long doc is cut where a line or a sentence ends, if there is such a place in the latter half of a window. Which
    places these are depends on the text alone.
    """
    tokens = [token.i for token in doc if not token.is_space]
    chunks, start = [], 0
    while start < len(tokens):
        end = min(start + window, len(tokens))
        if end < len(tokens):
            places = range(end, start + max(1, window // 2), -1)
            end = next((place for place in places if _is_break(doc, tokens[place - 1], tokens[place])), end)
        chunks.append(_chunk(doc, tokens[start:end]))
        start = end
    return chunks


def _is_break(doc: Doc, left: int, right: int) -> bool:
    return doc[left].text in ENDINGS or "\n" in _gap(doc, left, right)


def _gap(doc: Doc, left: int, right: int) -> str:
    return doc.text[doc[left].idx + len(doc[left]) : doc[right].idx]


def _chunk(doc: Doc, tokens: list[int]) -> Chunk:
    gaps = ["", *(_gap(doc, left, right) for left, right in pairwise(tokens))]
    return Chunk(tuple(doc[i].text for i in tokens), tuple(gaps), tuple(tokens))
