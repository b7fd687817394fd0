"""`spacy_llama_ner.InlineBrackets.v1`: the text again, with marks: `[Ada](PERSON) moved to [Paris](PLACE).`"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..chunks import Chunk
from .base import Found, Node, Step


class Place(NamedTuple):
    """Where an answer stands: in front of the word `at`.

    opened: the first word of the mark that is open; -1 for none.
    label: of the mark that was closed right here.
    """

    at: int = 0
    opened: int = -1
    label: str = ""


class InlineBrackets:
    """The text as it is, with each entity in square brackets and its label in round ones behind."""

    instruction = "Repeat the text and mark its entities like this: [words](LABEL). Change and add nothing else."
    start = Place()

    def steps(self, state: Place, chunk: Chunk, labels: Sequence[str]) -> Iterator[Step]:
        """See `Format.steps`."""
        at, opened, _ = state
        if at < len(chunk.words):
            # the gap in front of a marked word stands in front of its mark
            gap = "" if at == opened else chunk.gaps[at]
            yield Step(gap + chunk.words[at], Place(at + 1, opened))
            if opened < 0:
                yield Step(f"{gap}[", Place(at, at))
        if 0 <= opened < at:
            for label in labels:
                yield Step(f"]({label})", Place(at, -1, label))

    def is_end(self, state: Place, chunk: Chunk) -> bool:
        """See `Format.is_end`."""
        return state.at == len(chunk.words) and state.opened < 0

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """See `Format.write`."""
        starts = {start for start, _, _ in ents}
        ends = {end: label for _, end, label in ents}
        pieces: list[str] = []
        for i, (gap, word) in enumerate(zip(chunk.gaps, chunk.words, strict=True)):
            pieces += [f"{gap}[", word] if i in starts else [gap + word]
            if i + 1 in ends:
                pieces.append(f"]({ends[i + 1]})")
        return pieces

    def read(self, path: Sequence[Node], *, whole: bool) -> list[Found]:
        """See `Format.read`."""
        found: list[Found] = []
        began = 0
        for before, (position, state) in pairwise(path):
            if before.state.opened < 0 <= state.opened:
                began = before.position
            elif state.label:
                found.append(Found(before.state.opened, state.at, state.label, began, position))
        return found
