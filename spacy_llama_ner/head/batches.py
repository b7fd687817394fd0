"""Docs of different lengths as padded tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

# padded words in one group
WORDS_PER_GROUP = 8192
# that the CRF keeps for one group, n_tags ** 2 for a word: as many as the words of a group have with 16 labels
NUMBERS_PER_GROUP = WORDS_PER_GROUP * 33**2

T = TypeVar("T")


def by_length(lengths: Sequence[int], *, n_tags: int) -> Iterator[list[int]]:
    """Indices of the non-empty docs in groups of similar length, the longest first in each group.

    n_tags: of the CRF; with many of them the groups are smaller, so that memory is bounded.
    """
    most = min(WORDS_PER_GROUP, NUMBERS_PER_GROUP // n_tags**2)
    order = sorted((i for i, n in enumerate(lengths) if n), key=lambda i: -lengths[i])
    start = 0
    for position, index in enumerate(order):
        longest = lengths[order[start]]
        too_many = (position - start + 1) * longest > most
        if position > start and (too_many or lengths[index] * 2 < longest):
            yield order[start:position]
            start = position
    if order:
        yield order[start:]


def pad(arrays: Sequence[Tensor], value: float = 0.0) -> tuple[Tensor, Tensor]:
    """Stack tensors [n_i, ...] to [n_docs, max n_i, ...], with their lengths, int64 [n_docs]."""
    lengths = torch.tensor([len(array) for array in arrays], device=arrays[0].device)
    return torch.nn.utils.rnn.pad_sequence(list(arrays), batch_first=True, padding_value=value), lengths


def is_word(lengths: Tensor, n_words: int) -> Tensor:
    """bool [n_docs, n_words]: not behind the doc's end. lengths: int64 [n_docs]."""
    return torch.arange(n_words, device=lengths.device) < lengths[:, None]
