"""Making sense of an answer: strictly by the steps of its format, so that nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .chunks import Chunk
from .formats import Format, Found, Node


class Reading(NamedTuple):
    """The entities that an answer names, and whether it could be read to its end.

    If not, those are left that were complete before the first character that does not fit.
    """

    entities: list[Found]
    whole: bool


def read(answer: str, chunk: Chunk, labels: Sequence[str], *, format: Format) -> Reading:
    """Follow `answer` through the steps of `format`, in one of the ways in which it goes farthest.

    Where two pieces begin alike, both are tried; none is tried twice from the same place, so that the time grows with
    the length of the answer. White space behind an answer is passed over.
    """
    start = Node(0, format.start)
    came_from: dict[Node, Node | None] = {start: None}
    waiting = [start]
    best = start
    while waiting:
        node = waiting.pop()
        if not answer[node.position :].strip() and format.is_end(node.state, chunk):
            return Reading(format.read(_path(node, came_from), whole=True), True)
        if node.position > best.position:
            best = node
        behind = []
        for piece, state in format.steps(node.state, chunk, labels):
            there = Node(node.position + len(piece), state)
            if answer.startswith(piece, node.position) and there not in came_from:
                came_from[there] = node
                behind.append(there)
        waiting.extend(reversed(behind))
    return Reading(format.read(_path(best, came_from), whole=False), False)


def _path(node: Node, came_from: dict[Node, Node | None]) -> list[Node]:
    path = []
    at: Node | None = node
    while at is not None:
        path.append(at)
        at = came_from[at]
    return path[::-1]
