"""What a format of answers is.

A format is a small nondeterministic automaton. From each state there are steps: a piece of text that may come next,
and the state behind it. One and the same automaton says which subwords may be written, and what was written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from .chunks import Chunk

State = Hashable


class Step(NamedTuple):
    """`piece` may be written next; `state` is where that leads to."""

    piece: str
    state: Any


class Node(NamedTuple):
    """A state, reached when `position` characters of an answer have been read."""

    position: int
    state: Any


class Found(NamedTuple):
    """Words `start:end` of a chunk carry `label`, as the characters `began:ended` of the answer say."""

    start: int
    end: int
    label: str
    began: int
    ended: int


class AnswerFormat(Protocol):
    """A way to write down the entities of a text.

    instruction: what the base is asked for, where the config has no system prompt of its own.
    start: the state of an answer without a character.
    """

    instruction: str
    start: Any

    def steps(self, state: Any, chunk: Chunk, labels: Sequence[str]) -> Iterable[Step]:
        """What may be written next, the likelier meaning of equal pieces first."""

    def is_end(self, state: Any, chunk: Chunk) -> bool:
        """Whether the answer may end here."""

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """The right answer, in the pieces of the steps that lead to it.

        ents: start, end and label of entities that do not overlap, by words of the chunk, in order.
        """

    def read(self, path: Sequence[Node], *, whole: bool) -> list[Found]:
        """The entities that the states of an answer stand for.

        whole: whether the answer was read to its end. Otherwise one that could have gone on is left out.
        """


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
        """See `AnswerFormat.steps`."""
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
        """See `AnswerFormat.is_end`."""
        return state.word is None

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """See `AnswerFormat.write`."""
        pieces: list[str] = []
        for start, end, label in ents:
            for i in range(start, end):
                pieces.append(("\n" if pieces else "") + chunk.words[i])
                pieces.append(f": {'B' if i == start else 'I'}-{label}")
        return pieces

    def read(self, path: Sequence[Node], *, whole: bool) -> list[Found]:
        """See `AnswerFormat.read`."""
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
        """See `AnswerFormat.steps`."""
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
        """See `AnswerFormat.is_end`."""
        return state.at == len(chunk.words) and state.opened < 0

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """See `AnswerFormat.write`."""
        starts = {start for start, _, _ in ents}
        ends = {end: label for _, end, label in ents}
        pieces: list[str] = []
        for i, (gap, word) in enumerate(zip(chunk.gaps, chunk.words, strict=True)):
            pieces += [f"{gap}[", word] if i in starts else [gap + word]
            if i + 1 in ends:
                pieces.append(f"]({ends[i + 1]})")
        return pieces

    def read(self, path: Sequence[Node], *, whole: bool) -> list[Found]:
        """See `AnswerFormat.read`."""
        found: list[Found] = []
        began = 0
        for before, (position, state) in pairwise(path):
            if before.state.opened < 0 <= state.opened:
                began = before.position
            elif state.label:
                found.append(Found(before.state.opened, state.at, state.label, began, position))
        return found


__all__ = ["AnswerFormat", "BioLines", "Found", "InlineBrackets", "Node"]
