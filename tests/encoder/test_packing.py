"""Packed windows: every subword knows its place, and padding comes and goes."""

from __future__ import annotations

import numpy as np
import torch

from spacy_llama_ner.encoder.batching import Batch
from spacy_llama_ner.encoder.packing import make_groups, positions

CPU = torch.device("cpu")
LENGTHS = [1, 2, 2, 5, 5]


def make_batch(groups: list[slice]) -> Batch:
    lengths = np.asarray(LENGTHS, dtype="int64")
    return Batch(np.arange(lengths.sum()), lengths, groups, np.zeros(0, dtype="int64"))


def test_positions_start_anew_in_each_window() -> None:
    assert positions(make_batch([slice(0, 5)])).tolist() == [0, 0, 1, 0, 1, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_padding_comes_and_goes() -> None:
    first, second = make_groups(make_batch([slice(0, 3), slice(3, 5)]), CPU)
    row = torch.arange(15.0)[:, None]
    padded = first.pad(row)
    assert padded.shape == (3, 2, 1)
    assert padded[:, :, 0][~first.padding].tolist() == [0, 1, 2, 3, 4]
    assert first.padding.tolist() == [[False, True], [False, False], [False, False]]
    assert first.unpad(padded).flatten().tolist() == [0, 1, 2, 3, 4]
    assert second.pad(row)[:, :, 0].tolist() == [[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]
    assert second.unpad(second.pad(row)).flatten().tolist() == list(range(5, 15))


def test_windows_of_one_length_need_no_mask() -> None:
    groups = make_groups(make_batch([slice(0, 1), slice(1, 3), slice(3, 5)]), CPU)
    assert [group.padding for group in groups] == [None, None, None]
