"""Processes that train together: here, what a process does that is alone, and how batches are dealt."""

from __future__ import annotations

import pytest
import torch

from spacy_llama_ner.shim import distributed
from spacy_llama_ner.shim.distributed import (
    average_gradients,
    average_values,
    from_first,
    rank_and_size,
    shard_batches,
)


def pairs(items: list[int]) -> list[list[int]]:
    return [items[i : i + 2] for i in range(0, len(items), 2)]


def deal(monkeypatch: pytest.MonkeyPatch, n_items: int, size: int) -> list[list[list[int]]]:
    """What each of `size` processes gets of pairs of `n_items` numbers."""
    hands = []
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank_and_size", lambda rank=rank: (rank, size))
        hands.append(list(shard_batches(pairs)(list(range(n_items)))))
    return hands


def test_a_process_alone_gets_everything() -> None:
    assert rank_and_size() == (0, 1)
    assert list(shard_batches(pairs)([1, 2, 3])) == [[1, 2], [3]]
    assert average_values({"llama_ner": 2.0}) == {"llama_ner": 2.0}
    assert from_first(sorted)([2, 1]) == [1, 2]
    weight = torch.nn.Parameter(torch.ones(2))
    average_gradients([weight])
    assert weight.grad is None


def test_every_process_gets_every_nth_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deal(monkeypatch, 8, 2) == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


@pytest.mark.parametrize("n_items", [1, 3, 5, 6, 11])
def test_all_take_the_same_number_of_steps_and_leave_nothing_out(
    monkeypatch: pytest.MonkeyPatch, n_items: int
) -> None:
    hands = deal(monkeypatch, n_items, 3)
    assert len({len(hand) for hand in hands}) == 1
    dealt = {number for hand in hands for batch in hand for number in batch}
    assert dealt == set(range(n_items))
