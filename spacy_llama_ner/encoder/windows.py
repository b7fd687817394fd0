"""Overlapping windows over a sequence of subwords of any length."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple


class Window(NamedTuple):
    """Subwords `start:end` are encoded together, of which `read_start:read_end` are read."""

    start: int
    end: int
    read_start: int
    read_end: int


def make_windows(n_subwords: int, *, window: int, stride: int) -> list[Window]:
    """Cut `n_subwords` into windows of at most `window` subwords, `stride` apart.

    The last window is moved left so that it is full. Where two windows overlap, each subword is read
    from the one in which it is farther from an edge, so that the read ranges follow one another
    without a gap: every subword is read exactly once.
    """
    if n_subwords == 0:
        return []
    if n_subwords <= window:
        return [Window(0, n_subwords, 0, n_subwords)]
    starts = [*range(0, n_subwords - window, stride), n_subwords - window]
    middles = [(left + window + right) // 2 for left, right in pairwise(starts)]
    edges = [0, *middles, n_subwords]
    return [Window(start, start + window, *read) for start, read in zip(starts, pairwise(edges), strict=True)]
