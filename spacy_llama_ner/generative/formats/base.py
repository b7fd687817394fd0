"""What a format of answers is.

A format is a small nondeterministic automaton. From each state there are steps: a piece of text that may come next,
and the state behind it. One and the same automaton says which subwords may be written, and what was written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from ..chunks import Chunk

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


class Format(Protocol):
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
