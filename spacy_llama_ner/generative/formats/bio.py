"""`spacy_llama_ner.BioLines.v1`: a line for each word of an entity, with its tag.

    6: B-TIME
    pm: I-TIME

The answer about a text without entities is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..chunks import Chunk
from .base import Found, Node, Step


class Line(NamedTuple):
    """Where an answer stands.

    ends: the words which the last one written can be, by their index; the leftmost is meant unless what follows rules
        it out.
    length: number of words of the entity that it belongs to; label: of that entity.
    word: what was written of the line that goes on here; null between lines.
    """

    ends: tuple[int, ...] = ()
    length: int = 0
    label: str = ""
    word: str | None = None


class BioLines:
    """The words of the entities in the order of the text, each with its BIO tag, until the answer ends."""

    instruction = (
        "Find the entities in the text. Write each word of an entity on a line of its own with its tag: B- and the "
        "label for its first word, I- and the label for each further one. Write nothing else."
    )
    start = Line()

    def steps(self, state: Line, chunk: Chunk, labels: Sequence[str]) -> Iterator[Step]:
        """See `Format.steps`."""
        floor = state.ends[0] + 1 if state.ends else 0
        if state.word is None:
            line_break = "\n" if state.ends else ""
            for word in dict.fromkeys(chunk.words[floor:]):
                yield Step(line_break + word, state._replace(word=word))
            return
        following = tuple(end + 1 for end in state.ends if chunk.words[end + 1 : end + 2] == (state.word,))
        if following:
            yield Step(f": I-{state.label}", Line(following, state.length + 1, state.label))
        later = tuple(i for i in range(floor, len(chunk.words)) if chunk.words[i] == state.word)
        for label in labels:
            yield Step(f": B-{label}", Line(later, 1, label))

    def is_end(self, state: Line, chunk: Chunk) -> bool:
        """See `Format.is_end`."""
        return state.word is None

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """See `Format.write`."""
        pieces: list[str] = []
        for start, end, label in ents:
            for i in range(start, end):
                pieces.append(("\n" if pieces else "") + chunk.words[i])
                pieces.append(f": {'B' if i == start else 'I'}-{label}")
        return pieces

    def read(self, path: Sequence[Node], *, whole: bool) -> list[Found]:
        """See `Format.read`."""
        found: list[Found] = []
        line_began = 0
        for before, (position, state) in pairwise(path):
            if before.state.word is None:
                line_began = before.position
                continue
            start = state.ends[0] + 1 - state.length
            if state.length > 1:
                found[-1] = found[-1]._replace(start=start, end=state.ends[0] + 1, ended=position)
            else:
                found.append(Found(start, start + 1, state.label, line_began, position))
        return found if whole else found[:-1]
