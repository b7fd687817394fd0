"""Text to subwords and back, for text that is not to be trusted and for pieces of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tokenizers import Tokenizer

from .chunks import Chunk

ANCHOR = "\n"


class Speller:
    """Spells texts in the subwords of a base.

    What looks like a special subword, such as the end of a turn, is spelled as the plain text that it is, so that no
    text can speak for the user or the base.
    content: of a tokenizer.json.
    """

    def __init__(self, content: str) -> None:
        self._tokenizer = Tokenizer.from_str(content)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self._anchor = self.text(ANCHOR)
        self.piece = lru_cache(maxsize=65_536)(self._piece)

    def text(self, text: str) -> tuple[int, ...]:
        """A text by itself."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _piece(self, piece: str) -> tuple[int, ...]:
        """A piece that goes on an answer. Some tokenizers put a space in front of whatever comes first."""
        ids = self.text(ANCHOR + piece)
        n = len(self._anchor)
        return ids[n:] if ids[:n] == self._anchor else self.text(piece)

    def decode(self, ids: Sequence[int]) -> str:
        """The text that subwords spell, special ones included."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def as_written(self, chunk: Chunk) -> Chunk:
        """A chunk with the words as they come back from the base, which some tokenizers spell in another way."""
        if self._tokenizer.normalizer is None:
            return chunk
        words, gaps = (tuple(self.decode(self.piece(part)) for part in parts) for parts in (chunk.words, chunk.gaps))
        return chunk._replace(words=words, gaps=gaps)


@lru_cache(maxsize=2)
def shared_speller(content: str) -> Speller:
    """The speller of a tokenizer.json, the same for all who stand on the same base."""
    return Speller(content)
