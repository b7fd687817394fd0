"""Constrained decoding: of all subwords, only those with which an answer can still become one of its format.

The idea is that of Willard and Louf (2023, https://arxiv.org/abs/2307.09702): an automaton runs beside the decoder
and masks its logits. This automaton is made of the words of the text, so that an answer can copy nothing else. Each
piece is tokenized in one way, the one that training uses, which keeps it small: no vocabulary is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .chunks import Chunk
from .formats import AnswerFormat

if TYPE_CHECKING:
    from torch import Tensor

# subwords that are left of a piece, and the state after it; None at the end
_Branch: TypeAlias = tuple[tuple[int, ...], Any]


class ConstrainedPath:
    """All the ways in which an answer about one chunk can go on.

    Args:
        format: The format of the answer.
        chunk: The chunk.
        labels: The labels.
        tokenize: Gives the subwords of a piece.
        end: The subword that ends an answer.

    Attributes:
        end: The subword that ends an answer.
    """

    def __init__(
        self,
        format: AnswerFormat,
        chunk: Chunk,
        labels: Sequence[str],
        *,
        tokenize: Callable[[str], tuple[int, ...]],
        end: int,
    ) -> None:
        self.end = end
        self._format = format
        self._chunk = chunk
        self._labels = labels
        self._tokenize = tokenize
        self._branches = self._expand([((), format.start)])

    @property
    def allowed(self) -> list[int]:
        """The subwords that may come next; none after the end."""
        return list(dict.fromkeys(subwords[0] for subwords, _ in self._branches))

    def advance(self, subword: int) -> None:
        """Go on with a subword, one of `allowed`."""
        self._branches = self._expand([(rest[1:], state) for rest, state in self._branches if rest[0] == subword])

    def _expand(self, branches: list[_Branch]) -> list[_Branch]:
        """Replace branches whose piece is complete by those that may follow."""
        expanded: dict[_Branch, None] = {}
        waiting = branches[::-1]
        while waiting:
            rest, state = waiting.pop()
            if rest:
                expanded[rest, state] = None
            elif state is not None:
                steps = self._format.steps(state, self._chunk, self._labels)
                waiting.extend((self._tokenize(piece), following) for piece, following in steps)
                if self._format.is_end(state, self._chunk):
                    waiting.append(((self.end,), None))
        return list(expanded)


def mask_logits(logits: Tensor, paths: Sequence[ConstrainedPath]) -> Tensor:
    """Set the logits of subwords that are not allowed to minus infinity.

    Args:
        logits: [n_rows, n_subwords].
        paths: The path of each row.

    Returns:
        The masked logits, [n_rows, n_subwords].
    """
    import torch

    allowed = [path.allowed for path in paths]
    rows = torch.from_numpy(np.repeat(np.arange(len(paths)), [len(each) for each in allowed])).to(logits.device)
    columns = torch.tensor([subword for each in allowed for subword in each], device=logits.device)
    masked = torch.full_like(logits, -torch.inf)
    masked[rows, columns] = logits[rows, columns]
    return masked
