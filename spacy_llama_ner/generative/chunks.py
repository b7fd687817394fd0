"""Docs in chunks, the texts that a generator is prompted with one at a time.

It imports no other module of this package: formats, prompts and automata all build on `Chunk`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from spacy.tokens import Doc

SENTENCE_ENDINGS = (".", "!", "?")


class Chunk(NamedTuple):
    """Words of a doc that follow each other, without those that are white space.

    Attributes:
        words: Their texts.
        gaps: The white space in front of each; none in front of the first.
        tokens: Their indices in the doc.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    tokens: tuple[int, ...]

    @property
    def text(self) -> str:
        """The words with the gaps between them."""
        return "".join(gap + word for gap, word in zip(self.gaps, self.words, strict=True))


def split_into_chunks(doc: Doc, *, window: int) -> list[Chunk]:
    """Split a doc into chunks.

    A long doc is split where a line or a sentence ends, if there is such a place in the latter half of a window.
    Which places these are depends on the text alone.

    Args:
        doc: The doc.
        window: The most words in a chunk.

    Returns:
        The chunks in order; none for a doc without words.
    """
    tokens = [token.i for token in doc if not token.is_space]
    chunks, start = [], 0
    while start < len(tokens):
        end = min(start + window, len(tokens))
        if end < len(tokens):
            places = range(end, start + max(1, window // 2), -1)
            end = next((place for place in places if _is_break(doc, tokens[place - 1], tokens[place])), end)
        own = tokens[start:end]
        gaps = ["", *(_gap(doc, left, right) for left, right in pairwise(own))]
        chunks.append(Chunk(tuple(doc[i].text for i in own), tuple(gaps), tuple(own)))
        start = end
    return chunks


def _is_break(doc: Doc, left: int, right: int) -> bool:
    return doc[left].text in SENTENCE_ENDINGS or "\n" in _gap(doc, left, right)


def _gap(doc: Doc, left: int, right: int) -> str:
    return doc.text[doc[left].idx + len(doc[left]) : doc[right].idx]
