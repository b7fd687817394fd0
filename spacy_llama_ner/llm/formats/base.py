"""The protocol of a prompt format, and what formats share: reading JSON, aligning a reply with the text."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Protocol

from spacy.tokens import Doc

from ...data.records import TaggedPiece
from ..backends.base import RejectedReplyError
from .lenient_json import read_json

# called with the kind of a problem that was repaired, and details
OnRepair = Callable[[str, str], None]

CUT_OFF = "cut off"
OTHER_WORDS = "other words than the text"
OTHER_TEXT = "another text"
BAD_SHAPE = "JSON of another shape"
# share of the words of both sides that must match, in the same order
MIN_SIMILARITY = 0.6
WORD = re.compile(r"\w+|[^\w\s]")
# quotes and dashes in their plain form
PLAIN_SIGNS = str.maketrans("“”„«»‘’‚`´–—−", '"""""' + "'" * 5 + "---")  # noqa: RUF001


class PromptFormat(Protocol):
    """A way to write down the entities of a text, which models are asked for.

    Attributes:
        name: The name in the `format` block of prompts.
    """

    name: str

    def format_text(self, doc: Doc) -> str:
        """Return the text as the model gets to see it."""

    def format_reply(self, doc: Doc) -> str:
        """Return the right reply for a doc with its entities, for few-shot examples."""

    def schema(self, labels: Collection[str]) -> Mapping[str, Any] | None:
        """Return the JSON schema of a reply with these labels; None where replies are not JSON."""

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], on_repair: OnRepair) -> list[TaggedPiece]:
        """Read the entities in a reply.

        Args:
            reply: What the model wrote.
            doc: The text; it is not changed.
            labels: Those that were asked for.
            on_repair: Called for each problem that was repaired.

        Returns:
            The entities as pieces of the text, in its order; `align_pieces` sets them on the doc.

        Raises:
            RejectedReplyError: If the reply is in another format, or about another text.
        """


def read_complete_json(reply: str) -> object:
    """Read the JSON of a reply that must not be cut off.

    Args:
        reply: What the model wrote.

    Returns:
        The value.

    Raises:
        RejectedReplyError: If there is no JSON, or it is cut off.
    """
    found = read_json(reply)
    if not found.is_complete:
        raise RejectedReplyError(CUT_OFF, repr(reply[-80:]))
    return found.value


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with these properties, all of them required, and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@dataclass(frozen=True)
class ReplyAlignment:
    """The words of a text as a reply repeats it, aligned with those of the text itself.

    Attributes:
        similarity: 0 to 1, twice the number of words that match, in order, divided by the words of both.
    """

    similarity: float
    _starts: list[int]
    _ends: list[int]
    _text_spans: list[tuple[int, int]]
    _matches: dict[int, int]

    def text_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Find the characters of the text for `start` to `end` of the reply's; None where an end has no match."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end) - 1
        if first > last or first not in self._matches or last not in self._matches:
            return None
        # the span may begin or end inside a word
        skipped, left = max(0, start - self._starts[first]), max(0, self._ends[last] - end)
        text_start = self._text_spans[self._matches[first]][0] + skipped
        text_end = self._text_spans[self._matches[last]][1] - left
        return (text_start, text_end) if text_start < text_end else None


def align_reply(repeated: str, text: str) -> ReplyAlignment:
    """Match the words of two texts, ignoring white space, case and kinds of quotes and dashes.

    Args:
        repeated: The text as a reply repeats it.
        text: The text itself.

    Returns:
        The alignment.
    """
    reply_words, text_words = list(WORD.finditer(repeated)), list(WORD.finditer(text))
    left = [_normalize(word.group()) for word in reply_words]
    right = [_normalize(word.group()) for word in text_words]
    if left == right:
        matches = {i: i for i in range(len(right))}
    else:
        blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
        matches = {block.a + i: block.b + i for block in blocks for i in range(block.size)}
    similarity = 2 * len(matches) / max(1, len(left) + len(right))
    starts, ends = [word.start() for word in reply_words], [word.end() for word in reply_words]
    return ReplyAlignment(similarity, starts, ends, [word.span() for word in text_words], matches)


def require_same_text(alignment: ReplyAlignment, repeated: str) -> None:
    """Check that a reply is about the text.

    Args:
        alignment: Of `repeated` with the text.
        repeated: The text as the reply repeats it, for the message.

    Raises:
        RejectedReplyError: If it is about another text.
    """
    if alignment.similarity < MIN_SIMILARITY:
        raise RejectedReplyError(OTHER_TEXT, repr(repeated[:80]))


def _normalize(word: str) -> str:
    return unicodedata.normalize("NFKC", word).translate(PLAIN_SIGNS).casefold()
