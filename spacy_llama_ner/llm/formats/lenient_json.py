"""Finding the JSON in what a language model says: in prose, in a code fence, complete or cut off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ...data.records import keep_pairs
from ..backends.base import RejectedReplyError

NOT_JSON = "no JSON"
OPENING = re.compile(r"[\[{]")
FENCED = re.compile(r"```[\w-]*\n?(.*?)(?:```|\Z)", re.DOTALL)
THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
# how many brackets in a reply are tried as the start of its JSON
MAX_STARTS = 40

SPACE = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
BARE_WORD = re.compile(r"[^\s,:\[\]{}\"']+(?:[^\S\n]+[^\s,:\[\]{}\"']+)*")
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}  # noqa: RUF001
# a quote ends a string only where something that belongs to JSON follows, or the next value on a line of its own
BEHIND_STRING = re.compile(r"""\s*(?:[,:\]}]|\Z)|[^\S\n]*\n\s*["'“{\[]""")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
CONSTANTS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}


@dataclass(frozen=True)
class ParsedJSON:
    """The JSON in a reply.

    Attributes:
        value: The object or list.
        is_complete: False where the text ended in the middle; incomplete members of lists are left out then.
    """

    value: object
    is_complete: bool = True


def without_thoughts(reply: str) -> str:
    """Return a reply without the reasoning that some models put in front of it."""
    return THOUGHTS.sub("", reply).strip()


def read_json(reply: str) -> ParsedJSON:
    """Find the JSON object or list in a reply; of several the longest.

    Tried are the complete reply, what stands in a code fence, and what starts at any bracket; the latter is read
    by `LenientJSONReader` where it is not strict JSON.

    Args:
        reply: What the model wrote.

    Returns:
        The value, and whether it is complete.

    Raises:
        RejectedReplyError: If there is neither an object nor a list.
    """
    text = without_thoughts(reply)
    for part in [text, *FENCED.findall(text)]:
        try:
            value = json.loads(part, object_pairs_hook=keep_pairs)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list):
            return ParsedJSON(value)
    found = _find_longest(text)
    if found is None:
        raise RejectedReplyError(NOT_JSON, repr(text[:80]))
    return found


def _find_longest(text: str) -> ParsedJSON | None:
    """Of the values that start at a bracket, and not inside another, return the longest."""
    best, longest, end = None, 0, 0
    for start in [opening.start() for opening in OPENING.finditer(text)][:MAX_STARTS]:
        if start < end:
            continue
        try:
            found, end = _read_at(text, start)
        except (ValueError, RecursionError):
            continue
        if end - start > longest:
            best, longest = found, end - start
    return best


def _read_at(text: str, start: int) -> tuple[ParsedJSON, int]:
    try:
        value, end = json.JSONDecoder(object_pairs_hook=keep_pairs).raw_decode(text, start)
    except ValueError:
        reader = LenientJSONReader(text, start)
        value = reader.value()
        return ParsedJSON(value, reader.is_complete), reader.at
    return ParsedJSON(value), end


class LenientJSONReader:
    """Reads one value that need not be strict JSON.

    Accepted are: single, curly or back quotes, quotes inside a string, bare words for strings, Python's True, False
    and None, commas that are too many, or missing at a line's end, comments, and a missing end. Where the text is cut
    off, members of lists that are not complete are left out.

    Attributes:
        text: The text.
        at: Where the value starts; after reading, where it ends.
        is_complete: False as soon as the text has ended inside the value.
    """

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self.is_complete = True

    def value(self) -> object:
        """Read the value.

        Returns:
            The value; of an object with a key twice its pairs, see `keep_pairs`.

        Raises:
            ValueError: If there is none.
            RecursionError: If it is nested too deeply.
        """
        match self._next():
            case "{":
                return self._object()
            case "[":
                return self._list()
            case sign if sign in QUOTES:
                return self._string(QUOTES[sign])
        return self._bare_word()

    def _next(self) -> str:
        """Skip white space and comments, and return the next character; an empty string at the end."""
        space = SPACE.match(self.text, self.at)
        assert space is not None
        self.at = space.end()
        return self.text[self.at : self.at + 1]

    def _list(self) -> list[object]:
        members: list[object] = []
        self.at += 1
        while not self._ends("]"):
            member = self.value()
            if self.is_complete:
                members.append(member)
        return members

    def _object(self) -> object:
        pairs: list[tuple[str, object]] = []
        self.at += 1
        while not self._ends("}"):
            key = self.value()
            if self._next() == ":":
                self.at += 1
                value = self.value() if self._next() else None
                if self.is_complete or isinstance(value, list | dict):
                    pairs.append((str(key), value))
            elif self._next():
                raise ValueError(f"no colon at {self.at}")
        return keep_pairs(pairs)

    def _ends(self, end: str) -> bool:
        """Return whether the list or object is at its end, or the text is."""
        while self._next() == ",":
            self.at += 1
        sign = self._next()
        if sign == end:
            self.at += 1
        self.is_complete = self.is_complete and bool(sign)
        return sign == end or not sign

    def _string(self, quote: str) -> str:
        start = self.at + 1
        at = start
        while (at := self._find_unescaped(quote, at)) != -1 and not BEHIND_STRING.match(self.text, at + 1):
            at += 1
        if at == -1:
            self.is_complete = False
            at = len(self.text)
        self.at = at + 1
        string = ESCAPE.sub(_unescape, self.text[start:at])
        # two escapes may stand for one character
        return string.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _find_unescaped(self, quote: str, at: int) -> int:
        while (at := self.text.find(quote, at)) != -1:
            backslashes = 0
            while self.text[at - backslashes - 1] == "\\":
                backslashes += 1
            if backslashes % 2 == 0:
                return at
            at += 1
        return -1

    def _bare_word(self) -> object:
        found = BARE_WORD.match(self.text, self.at)
        if found is None:
            raise ValueError(f"no value at {self.at}")
        self.at = found.end()
        word = found.group()
        if word in CONSTANTS:
            return CONSTANTS[word]
        try:
            return int(word)
        except ValueError:
            return word


def _unescape(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return ESCAPED.get(found[2], found[2])
