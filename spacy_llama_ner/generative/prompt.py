"""The parts of a prompt: the chat template around a text, the system prompt, and the subwords of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from ..base import BaseModelError
from ..base.chat_template import apply_template, end_token_ids, load_chat_tokenizer
from .chunks import Chunk

# stands for the text while a chat template is filled in
PLACEHOLDER = "{{the text goes here}}"
# comes before a piece when it is tokenized, and is then removed
ANCHOR = "\n"


class PromptFrame(NamedTuple):
    """What stands around the text in all prompts with one system prompt.

    Attributes:
        prefix: Subwords in front of the text.
        suffix: Subwords after it, up to where the answer begins.
        end: The subword that ends an answer.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    end: int


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a base, as a pipeline saves it.

    Attributes:
        template: The Jinja template.
        tokens: Special tokens that it may name, such as bos_token.
        ends: Ids of the subwords that end a reply.
    """

    template: str
    tokens: dict[str, str]
    ends: list[int]

    @classmethod
    def load(cls, folder: Path, base: str) -> ChatTemplate:
        """Read the chat template of a base.

        Args:
            folder: The folder of the base.
            base: The name of the base, for messages.

        Raises:
            BaseModelError: If it has none.
        """
        tokenizer = load_chat_tokenizer(folder, base)
        tokens = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
        return cls(tokenizer.get_chat_template(), tokens, end_token_ids(folder, tokenizer))

    def to_spec(self) -> dict[str, Any]:
        """Return the attributes as plain types."""
        return asdict(self)

    def make_frame(self, tokenizer: Tokenizer, system: str) -> PromptFrame:
        """Fill the template in with a system prompt.

        Args:
            tokenizer: The tokenizer of the base.
            system: The system prompt.

        Raises:
            BaseModelError: If the template fails, or does not hand on a text as it is.
        """
        from jinja2 import TemplateError
        from transformers import PreTrainedTokenizerFast

        chat = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=self.template, **self.tokens)
        instruction = ("system", system)
        try:
            before, found, after = apply_template(chat, [instruction, ("user", PLACEHOLDER)]).partition(PLACEHOLDER)
            answered = apply_template(
                chat, [instruction, ("user", "-"), ("assistant", PLACEHOLDER)], add_generation_prompt=False
            )
        except TemplateError as error:
            raise BaseModelError(
                f"The chat template of this base does not take the prompt: {error} Name another base."
            ) from error
        if not found or PLACEHOLDER in after or PLACEHOLDER not in answered:
            raise BaseModelError(
                "The chat template of this base does not hand on a text once and as it is. Name another base."
            )
        prefix, suffix, ends = (
            tuple(tokenizer.encode(part, add_special_tokens=False).ids)
            for part in (before, after, answered.rpartition(PLACEHOLDER)[2])
        )
        return PromptFrame(prefix, suffix, ends[0] if ends else self.ends[0])


def system_prompt(instruction: str, labels: Mapping[str, str]) -> str:
    """Write the system prompt.

    Args:
        instruction: What to do.
        labels: Descriptions, which may be empty, by label.

    Returns:
        The instruction, then a line for each label.
    """
    lines = [f"- {label}: {meaning}" if meaning else f"- {label}" for label, meaning in labels.items()]
    return "\n".join([instruction, "Labels:", *lines])


class PieceTokenizer:
    """Tokenizes texts and pieces of answers with the tokenizer of a base.

    What looks like a special token, such as the end of a turn, is tokenized as the plain text that it is, so that no
    text can speak for the user or the base.

    Args:
        content: Content of a tokenizer.json.
    """

    def __init__(self, content: str) -> None:
        self._tokenizer = Tokenizer.from_str(content)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        self._anchor = self.tokenize(ANCHOR)
        self._cached_piece = lru_cache(maxsize=65_536)(self._tokenize_piece)

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the subwords of a text that stands by itself."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def tokenize_piece(self, piece: str) -> tuple[int, ...]:
        """Return the subwords of a piece that an answer goes on with.

        Some tokenizers put a space in front of whatever comes first; it is left out here.
        """
        return self._cached_piece(piece)

    def _tokenize_piece(self, piece: str) -> tuple[int, ...]:
        ids = self.tokenize(ANCHOR + piece)
        n = len(self._anchor)
        return ids[n:] if ids[:n] == self._anchor else self.tokenize(piece)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of subwords, special tokens included."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def normalize(self, chunk: Chunk) -> Chunk:
        """Return a chunk with words and gaps as the tokenizer gives them back, which may normalize characters."""
        if self._tokenizer.normalizer is None:
            return chunk
        words, gaps = (
            tuple(self.decode(self.tokenize_piece(part)) for part in parts) for parts in (chunk.words, chunk.gaps)
        )
        return chunk._replace(words=words, gaps=gaps)


@lru_cache(maxsize=2)
def shared_piece_tokenizer(content: str) -> PieceTokenizer:
    """Return the tokenizer for a tokenizer.json, the same one for all generators on a base.

    Args:
        content: Content of the tokenizer.json.
    """
    return PieceTokenizer(content)
