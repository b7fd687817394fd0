"""Overlapping windows over a sequence of subwords of any length."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import NamedTuple


class Window(NamedTuple):
    """Subwords `start:end` are encoded together, of which `read_start:read_end` are read."""

    start: int
    end: int
    read_start: int
    read_end: int


def make_windows(n_subwords: int, *, window: int, stride: int) -> list[Window]:
    """Cut `n_subwords` into windows of at most `window` subwords that overlap by `window - stride`.

    There are as few windows as can be, all of the same length but for one subword. Where two overlap, each subword is
    read from the one in which it is farther from an edge, so that the read ranges follow one another without a gap:
    every subword is read exactly once.
    """
    if n_subwords == 0:
        return []
    overlap = window - stride
    n_windows = max(1, ceil((n_subwords - overlap) / stride))
    starts = [i * (n_subwords - overlap) // n_windows for i in range(n_windows)]
    ends = [*(start + overlap for start in starts[1:]), n_subwords]
    edges = [0, *(start + overlap // 2 for start in starts[1:]), n_subwords]
    return [Window(start, end, *read) for start, end, read in zip(starts, ends, pairwise(edges), strict=True)]
