"""Finding the JSON in what a language model says: in prose, in a code fence, whole or cut off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ...data.records import keep_pairs
from ..chat import Reject
from .loose_reader import LooseReader

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
