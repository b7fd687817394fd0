"""What a format of replies is."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Protocol

from spacy.tokens import Doc

from ...data.records import Piece
from ..backends.base import Reject
from .loose_json import read_json

# notes a problem, and what exactly was put right
Note = Callable[[str, str], None]

CUT_OFF = "cut off"
OTHER_WORDS = "other words than the text"
BAD_SHAPE = "JSON of another shape"


class PromptFormat(Protocol):
    """A way to write down the entities of a text, which models are asked for."""

    name: str

    def show(self, doc: Doc) -> str:
        """The text as the model gets to see it."""

    def render(self, doc: Doc) -> str:
        """The reply that would be right for `doc`, which has its entities: for examples."""

    def schema(self, labels: Collection[str]) -> Mapping[str, Any] | None:
        """JSON schema of a reply; None where it is no JSON."""

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], note: Note) -> list[Piece]:
        """The entities that a reply names, in the order of the text, as pieces still to be put into `doc`.

        Raises: Reject where the reply is in another format, or about another text.
        """


def read_whole_json(reply: str) -> object:
    """The JSON of a reply that must be complete. Raises: Reject."""
    found = read_json(reply)
    if not found.is_whole:
        raise Reject(CUT_OFF, repr(reply[-80:]))
    return found.value


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has these properties, all of them, and no other."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


ANOTHER_TEXT = "another text"
# share of words, of both sides together, that must be the same in the same order
SAME = 0.6
WORD = re.compile(r"\w+|[^\w\s]")
SIGNS = str.maketrans("“”„«»‘’‚`´–—−", '"""""' + "'" * 5 + "---")  # noqa: RUF001


@dataclass(frozen=True)
class Alignment:
    """A text as a reply gives it, beside the text as it is.

    similarity: 0 to 1, twice the number of words in common, in their order, by the number of all words.
    """

    similarity: float
    _starts: list[int]
    _ends: list[int]
    _text: list[tuple[int, int]]
    _match: dict[int, int]

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """The characters of the text for `start` to `end` of the reply's; None where an end of it has none."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end) - 1
        if first > last or first not in self._match or last not in self._match:
            return None
        # a mark may begin or end inside a word
        before, behind = max(0, start - self._starts[first]), max(0, self._ends[last] - end)
        begin, stop = self._text[self._match[first]][0] + before, self._text[self._match[last]][1] - behind
        return (begin, stop) if begin < stop else None


def align(given: str, text: str) -> Alignment:
    """Match the words of `given` with those of `text`, without regard to white space, case and kinds of quotes."""
    words, own = list(WORD.finditer(given)), list(WORD.finditer(text))
    theirs, ours = [_plain(word.group()) for word in words], [_plain(word.group()) for word in own]
    if theirs == ours:
        match = {i: i for i in range(len(ours))}
    else:
        blocks = SequenceMatcher(None, theirs, ours, autojunk=False).get_matching_blocks()
        match = {block.a + i: block.b + i for block in blocks for i in range(block.size)}
    similarity = 2 * len(match) / max(1, len(theirs) + len(ours))
    starts, ends = [word.start() for word in words], [word.end() for word in words]
    return Alignment(similarity, starts, ends, [word.span() for word in own], match)


def require_same(alignment: Alignment, given: str) -> None:
    """Raises: Reject where the reply is about another text."""
    if alignment.similarity < SAME:
        raise Reject(ANOTHER_TEXT, repr(given[:80]))


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).translate(SIGNS).casefold()
