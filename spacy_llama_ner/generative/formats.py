"""The formats of answers, `InlineBrackets.v1` and `BioLines.v1`.

A format is a small nondeterministic automaton. From each state there are steps: a piece of text that may come next,
and the state after it. One and the same automaton says which subwords may be generated (`constrained_decoding`), and
what an answer means (`predict.parse_answer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from .chunks import Chunk


class Step(NamedTuple):
    """A transition of the automaton.

    Attributes:
        piece: The text that may come next.
        state: The state after it, hashable.
    """

    piece: str
    state: Any


class Node(NamedTuple):
    """A state at a place of an answer.

    Attributes:
        position: How many characters of the answer lead to it.
        state: The state.
    """

    position: int
    state: Any


class AnswerEntity(NamedTuple):
    """An entity that an answer names.

    Attributes:
        start: Its first word in the chunk.
        end: The end (exclusive) of its words.
        label: Its label.
        char_start: The first character of the answer that marks it.
        char_end: The end (exclusive) of these characters.
    """

    start: int
    end: int
    label: str
    char_start: int
    char_end: int


class AnswerFormat(Protocol):
    """A way to write down the entities of a chunk.

    Attributes:
        instruction: The system prompt, if the config has none of its own.
        start: The state of an answer without a character.
    """

    instruction: str
    start: Any

    def steps(self, state: Any, chunk: Chunk, labels: Sequence[str]) -> Iterable[Step]:
        """List what may come next.

        Args:
            state: The state.
            chunk: The chunk.
            labels: All labels.

        Returns:
            The steps, the likelier meaning of equal pieces first.
        """

    def is_end(self, state: Any, chunk: Chunk) -> bool:
        """Return whether an answer about a chunk may end in a state."""

    def write(self, chunk: Chunk, ents: Sequence[tuple[int, int, str]]) -> list[str]:
        """Write the right answer.

        Args:
            chunk: The chunk.
            ents: Start, end and label of entities that do not overlap, by words of the chunk, in order.

        Returns:
            The pieces of the steps that lead to it.
        """

    def read(self, path: Sequence[Node], *, complete: bool) -> list[AnswerEntity]:
        """Return the entities that the states of an answer stand for.

        Args:
            path: The states, from `start` on.
            complete: Whether the answer was read to its end. Otherwise an entity that could have gone on is left out.
        """


class BioLinesState(NamedTuple):
    """A state of `BioLines`.

    Attributes:
        ends: The words which the last one written can be, by their index; the leftmost is meant unless what follows
            rules it out.
        length: Number of words of the entity that it belongs to.
        label: The label of that entity.
        word: The word that the present line begins with; None between lines.
    """

    ends: tuple[int, ...] = ()
    length: int = 0
    label: str = ""
    word: str | None = None


class BioLines:
    """`BioLines.v1`: the words of the entities in the order of the text, each on a line with its BIO tag."""

    instruction = (
        "Find the entities in the text. Write each word of an entity on a line of its own with its tag: B- and the "
        "label for its first word, I- and the label for each further one. Write nothing else."
    )
    start = BioLinesState()

    def steps(self, state: BioLinesState, chunk: Chunk, labels: Sequence[str]) -> Iterator[Step]:
        """See `AnswerFormat.steps`."""
        first = state.ends[0] + 1 if state.ends else 0
        if state.word is None:
            line_break = "\n" if state.ends else ""
            for word in dict.fromkeys(chunk.words[first:]):
                yield Step(line_break + word, state._replace(word=word))
            return
        following = tuple(end + 1 for end in state.ends if chunk.words[end + 1 : end + 2] == (state.word,))
        if following:
            yield Step(f": I-{state.label}", BioLinesState(following, state.length + 1, state.label))
        later = tuple(i for i in range(first, len(chunk.words)) if chunk.words[i] == state.word)
        for label in labels:
            yield Step(f": B-{label}", BioLinesState(later, 1, label))

    def is_end(self, state: BioLinesState, chunk: Chunk) -> bool:
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

    def read(self, path: Sequence[Node], *, complete: bool) -> list[AnswerEntity]:
        """See `AnswerFormat.read`."""
        found: list[AnswerEntity] = []
        line_start = 0
        for before, (position, state) in pairwise(path):
            if before.state.word is None:
                line_start = before.position
                continue
            start = state.ends[0] + 1 - state.length
            if state.length > 1:
                found[-1] = found[-1]._replace(start=start, end=state.ends[0] + 1, char_end=position)
            else:
                found.append(AnswerEntity(start, start + 1, state.label, line_start, position))
        return found if complete else found[:-1]


class InlineBracketsState(NamedTuple):
    """A state of `InlineBrackets`.

    Attributes:
        at: The word that comes next.
        opened: The first word of the bracket that is open; -1 for none.
        label: The label of the bracket that was closed right here.
    """

    at: int = 0
    opened: int = -1
    label: str = ""


class InlineBrackets:
    """`InlineBrackets.v1`: the text, with each entity in square brackets and its label in round ones after it."""

    instruction = "Repeat the text and mark its entities like this: [words](LABEL). Change and add nothing else."
    start = InlineBracketsState()

    def steps(self, state: InlineBracketsState, chunk: Chunk, labels: Sequence[str]) -> Iterator[Step]:
        """See `AnswerFormat.steps`."""
        at, opened, _ = state
        if at < len(chunk.words):
            # the gap in front of a marked word stands in front of its bracket
            gap = "" if at == opened else chunk.gaps[at]
            yield Step(gap + chunk.words[at], InlineBracketsState(at + 1, opened))
            if opened < 0:
                yield Step(f"{gap}[", InlineBracketsState(at, at))
        if 0 <= opened < at:
            for label in labels:
                yield Step(f"]({label})", InlineBracketsState(at, -1, label))

    def is_end(self, state: InlineBracketsState, chunk: Chunk) -> bool:
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

    def read(self, path: Sequence[Node], *, complete: bool) -> list[AnswerEntity]:
        """See `AnswerFormat.read`."""
        found: list[AnswerEntity] = []
        char_start = 0
        for before, (position, state) in pairwise(path):
            if before.state.opened < 0 <= state.opened:
                char_start = before.position
            elif state.label:
                found.append(AnswerEntity(before.state.opened, state.at, state.label, char_start, position))
        return found
