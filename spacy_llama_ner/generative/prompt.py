"""The frame of every question: what stands before a text and behind it, and what ends an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from ..base import BaseModelError
from ..base.chat_template import end_ids, in_template, load_chat_tokenizer
from .chunks import Chunk

SLOT = "{{the text goes here}}"


class Frame(NamedTuple):
    """Subwords in front of a text and behind it, up to where the answer begins, and the one that ends an answer."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class ChatForm:
    """The chat template of a base, as a pipeline saves it.

    tokens: the special subwords that it may name, such as bos_token.
    ends: subwords that end a reply.
    """

    template: str
    tokens: dict[str, str]
    ends: list[int]

    @classmethod
    def find(cls, folder: Path, base: str) -> ChatForm:
        """That of the base in `folder`. Raises BaseModelError where it has none."""
        tokenizer = load_chat_tokenizer(folder, base)
        tokens = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
        return cls(tokenizer.get_chat_template(), tokens, end_ids(folder, tokenizer))

    def to_spec(self) -> dict[str, Any]:
        """The same as plain types."""
        return asdict(self)

    def frame(self, tokenizer: Tokenizer, system: str) -> Frame:
        """The frame of questions under a system prompt. Raises BaseModelError where the template spoils the text."""
        from jinja2 import TemplateError
        from transformers import PreTrainedTokenizerFast

        chat = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=self.template, **self.tokens)
        asked = [("system", system), ("user", SLOT)]
        try:
            before, found, after = in_template(chat, asked).partition(SLOT)
            whole = in_template(chat, [*asked[:1], ("user", "-"), ("assistant", SLOT)], to_be_answered=False)
        except TemplateError as error:
            raise BaseModelError(
                f"The chat template of this base does not take the question: {error} Name another base."
            ) from error
        if not found or SLOT in after or SLOT not in whole:
            raise BaseModelError(
                "The chat template of this base does not hand on a text once and as it is. Name another base."
            )
        ids = [
            tuple(tokenizer.encode(part, add_special_tokens=False).ids)
            for part in (before, after, whole.rpartition(SLOT)[2])
        ]
        return Frame(ids[0], ids[1], ids[2][0] if ids[2] else self.ends[0])


def system_prompt(instruction: str, labels: Mapping[str, str]) -> str:
    """What the base is told to do, with the labels and what they mean.

    labels: descriptions, which may be empty, by label.
    """
    lines = [f"- {label}: {said}" if said else f"- {label}" for label, said in labels.items()]
    return "\n".join([instruction, "Labels:", *lines])


ANCHOR = "\n"


class PieceTokenizer:
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
def shared_piece_tokenizer(content: str) -> PieceTokenizer:
    """The speller of a tokenizer.json, the same for all who stand on the same base."""
    return PieceTokenizer(content)
