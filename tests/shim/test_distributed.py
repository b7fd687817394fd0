"""Processes that train together: how batches are dealt out, and that nothing happens in a process that is alone."""

from __future__ import annotations

import pytest
import torch

from spacy_llama_ner.shim import distributed
from spacy_llama_ner.shim.distributed import (
    average_gradients,
    average_values,
    broadcast_result,
    rank_and_size,
    shard_batches,
)


def pairs(items: list[int]) -> list[list[int]]:
    return [items[i : i + 2] for i in range(0, len(items), 2)]


def shares(monkeypatch: pytest.MonkeyPatch, n_items: int, size: int) -> list[list[list[int]]]:
    """The batches of each of `size` processes, which share pairs of `n_items` numbers."""
    batches = []
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank_and_size", lambda rank=rank: (rank, size))
        batches.append(list(shard_batches(pairs)(list(range(n_items)))))
    return batches


def test_a_process_that_is_alone_gets_everything() -> None:
    assert rank_and_size() == (0, 1)
    assert list(shard_batches(pairs)([1, 2, 3])) == [[1, 2], [3]]
    assert average_values({"llama_ner": 2.0}) == {"llama_ner": 2.0}
    assert broadcast_result(sorted)([2, 1]) == [1, 2]
    weight = torch.nn.Parameter(torch.ones(2))
    average_gradients([weight])
    assert weight.grad is None


def test_each_process_gets_every_nth_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shares(monkeypatch, 8, 2) == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


@pytest.mark.parametrize("n_items", [1, 3, 5, 6, 11])
def test_all_processes_take_the_same_number_of_steps_and_no_batch_is_left_out(
    monkeypatch: pytest.MonkeyPatch, n_items: int
) -> None:
    dealt = shares(monkeypatch, n_items, 3)
    assert len({len(share) for share in dealt}) == 1
    assert {number for share in dealt for batch in share for number in batch} == set(range(n_items))
