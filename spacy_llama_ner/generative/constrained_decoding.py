"""Constrained decoding: of all subwords, only those with which an answer can still become one of its format.

The idea is that of Willard and Louf (2023, https://arxiv.org/abs/2307.09702): an automaton runs beside the decoder
and masks its logits. This automaton is made of the words of the text, so that an answer can copy nothing else. Each
piece has one spelling in subwords, the one that training uses, which keeps it small: no vocabulary is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .chunks import Chunk
from .formats import AnswerFormat

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[[str], tuple[int, ...]]
Thread = tuple[tuple[int, ...], Any]


class ConstrainedPath:
    """All the ways in which an answer about one chunk can go on.

    encode: subwords of a piece. end: the subword that ends an answer.
    """

    def __init__(
        self, format: AnswerFormat, chunk: Chunk, labels: Sequence[str], *, encode: Encode, end: int
    ) -> None:
        self._format = format
        self._chunk = chunk
        self._labels = labels
        self._encode = encode
        self.end = end
        self._threads = self._open([((), format.start)])

    @property
    def allowed(self) -> list[int]:
        """The subwords that may come next; none behind the end."""
        return list(dict.fromkeys(subwords[0] for subwords, _ in self._threads))

    def take(self, subword: int) -> None:
        """Go on with one of `allowed`."""
        self._threads = self._open([(rest[1:], state) for rest, state in self._threads if rest[0] == subword])

    def _open(self, threads: list[Thread]) -> list[Thread]:
        """`threads` with what comes next in place of those that have nothing left to be written."""
        opened: dict[Thread, None] = {}
        waiting = threads[::-1]
        while waiting:
            rest, state = waiting.pop()
            if rest:
                opened[rest, state] = None
            elif state is not None:
                steps = self._format.steps(state, self._chunk, self._labels)
                waiting.extend((self._encode(piece), behind) for piece, behind in steps)
                if self._format.is_end(state, self._chunk):
                    waiting.append(((self.end,), None))
        return list(opened)


def keep_allowed(scores: Tensor, walks: Sequence[ConstrainedPath]) -> Tensor:
    """`scores`, [n_rows, n_subwords], with minus infinity at what the walk of a row does not allow."""
    import torch

    allowed = [walk.allowed for walk in walks]
    rows = torch.from_numpy(np.repeat(np.arange(len(walks)), [len(each) for each in allowed])).to(scores.device)
    columns = torch.tensor([subword for each in allowed for subword in each], device=scores.device)
    kept = torch.full_like(scores, -torch.inf)
    kept[rows, columns] = scores[rows, columns]
    return kept
