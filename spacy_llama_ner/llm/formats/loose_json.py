"""Finding the JSON in what a language model says: in prose, in a code fence, whole or cut off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ...data.records import keep_pairs
from ..backends.base import Reject

SPACE = re.compile(r"(?:\s|//[^\n]*\n|/\*.*?\*/)*", re.DOTALL)
BARE = re.compile(r"[^\s,:\[\]{}\"']+(?:[^\S\n]+[^\s,:\[\]{}\"']+)*")
QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}  # noqa: RUF001
# a quote ends a string only where something that belongs to JSON follows, or the next value on a line of its own
BEHIND_STRING = re.compile(r"""\s*(?:[,:\]}]|\Z)|[^\S\n]*\n\s*["'“{\[]""")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}


class LooseReader:
    """Reads the value at `at` in `text`, and leaves `at` behind it.

    Forgiven are: single, curly or back quotes, quotes inside a string, bare words for strings, Python's True, False
    and None, commas that are too many, or missing at a line's end, comments, and an end that is missing. Of a text
    that is cut off (`is_whole` is False then) members of lists that are not complete are left out.
    """

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self.is_whole = True

    def value(self) -> object:
        """The value. Raises: ValueError where there is none; RecursionError for one that is nested too deeply."""
        match self._next():
            case "{":
                return self._object()
            case "[":
                return self._list()
            case sign if sign in QUOTES:
                return self._string(QUOTES[sign])
        return self._bare()

    def _next(self) -> str:
        """The next sign that is no space."""
        space = SPACE.match(self.text, self.at)
        assert space is not None
        self.at = space.end()
        return self.text[self.at : self.at + 1]

    def _list(self) -> list[object]:
        members: list[object] = []
        self.at += 1
        while not self._ends("]"):
            member = self.value()
            if self.is_whole:
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
                if self.is_whole or isinstance(value, list | dict):
                    pairs.append((str(key), value))
            elif self._next():
                raise ValueError(f"no colon at {self.at}")
        return keep_pairs(pairs)

    def _ends(self, end: str) -> bool:
        """Whether the list or object is at its end, or the text is."""
        while self._next() == ",":
            self.at += 1
        sign = self._next()
        if sign == end:
            self.at += 1
        self.is_whole = self.is_whole and bool(sign)
        return sign == end or not sign

    def _string(self, end: str) -> str:
        start = self.at + 1
        at = start
        while (at := self._find_end(end, at)) != -1 and not BEHIND_STRING.match(self.text, at + 1):
            at += 1
        if at == -1:
            self.is_whole = False
            at = len(self.text)
        self.at = at + 1
        said = ESCAPE.sub(_unescaped, self.text[start:at])
        # two escapes may stand for one sign
        return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _find_end(self, end: str, at: int) -> int:
        while (at := self.text.find(end, at)) != -1:
            slashes = 0
            while self.text[at - slashes - 1] == "\\":
                slashes += 1
            if slashes % 2 == 0:
                return at
            at += 1
        return -1

    def _bare(self) -> object:
        word = BARE.match(self.text, self.at)
        if word is None:
            raise ValueError(f"no value at {self.at}")
        self.at = word.end()
        said = word.group()
        if said in WORDS:
            return WORDS[said]
        try:
            return int(said)
        except ValueError:
            return said


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return ESCAPED.get(found[2], found[2])


NOT_JSON = "no JSON"
OPENING = re.compile(r"[\[{]")
FENCED = re.compile(r"```[\w-]*\n?(.*?)(?:```|\Z)", re.DOTALL)
THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
# how many brackets in a reply are tried as the start of its JSON
TRIED = 40


@dataclass(frozen=True)
class Loose:
    """What was read. is_whole: False where the text ended in the middle; what was not complete is left out."""

    value: object
    is_whole: bool = True


def without_thoughts(reply: str) -> str:
    """A reply without the reasoning that some models put in front of it."""
    return THOUGHT.sub("", reply).strip()


def read_json(reply: str) -> Loose:
    """The JSON object or list in a reply; of several the longest.

    Looked at are the whole reply, what stands in a code fence, and what starts at any bracket; the latter is read
    with the liberties of `LooseReader` where it is not strict JSON.

    Raises: Reject where there is neither an object nor a list.
    """
    text = without_thoughts(reply)
    for part in [text, *FENCED.findall(text)]:
        try:
            value = json.loads(part, object_pairs_hook=keep_pairs)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list):
            return Loose(value)
    found = _longest(text)
    if found is None:
        raise Reject(NOT_JSON, repr(text[:80]))
    return found


def _longest(text: str) -> Loose | None:
    """Of the values that start at a bracket, and not inside another, the longest."""
    best, longest, behind = None, 0, 0
    for start in [opening.start() for opening in OPENING.finditer(text)][:TRIED]:
        if start < behind:
            continue
        try:
            found, behind = _read_at(text, start)
        except (ValueError, RecursionError):
            continue
        if behind - start > longest:
            best, longest = found, behind - start
    return best


def _read_at(text: str, start: int) -> tuple[Loose, int]:
    try:
        value, end = json.JSONDecoder(object_pairs_hook=keep_pairs).raw_decode(text, start)
    except ValueError:
        reader = LooseReader(text, start)
        value = reader.value()
        return Loose(value, reader.is_whole), reader.at
    return Loose(value), end
