"""Windows over a sequence: nothing is left out, and everything is read where it has the most context."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.encoder.windows import Window, make_windows

SIZES = st.tuples(st.integers(0, 120), st.integers(1, 30)).flatmap(
    lambda sizes: st.tuples(*map(st.just, sizes), st.integers(1, sizes[1]))
)


def context(window: Window, subword: int) -> int:
    """The lesser of what a subword sees to its left and to its right."""
    return min(subword - window.start, window.end - 1 - subword)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(SIZES)
def test_every_subword_is_read_once_where_it_sees_most(sizes: tuple[int, int, int]) -> None:
    n, window, stride = sizes
    windows = make_windows(n, window=window, stride=stride)
    assert [i for w in windows for i in range(w.read_start, w.read_end)] == list(range(n))
    for w in windows:
        assert 0 <= w.start <= w.read_start < w.read_end <= w.end <= n
        assert w.end - w.start <= window
        for i in range(w.read_start, w.read_end):
            assert context(w, i) == max(context(other, i) for other in windows if other.start <= i < other.end)


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(SIZES)
def test_windows_are_few_and_of_one_size_and_overlap_by_the_same(sizes: tuple[int, int, int]) -> None:
    n, window, stride = sizes
    windows = make_windows(n, window=window, stride=stride)
    assert all(left.end - right.start == window - stride for left, right in pairwise(windows))
    lengths = [w.end - w.start for w in windows]
    assert max(lengths, default=0) - min(lengths, default=0) <= 1
    # with one window less there is too little room
    assert len(windows) <= 1 or window + (len(windows) - 2) * stride < n


def test_example() -> None:
    assert make_windows(20, window=10, stride=6) == [
        Window(0, 9, 0, 7),
        Window(5, 14, 7, 12),
        Window(10, 20, 12, 20),
    ]


@pytest.mark.parametrize("n", [1, 9, 10])
def test_what_fits_is_one_window(n: int) -> None:
    assert make_windows(n, window=10, stride=6) == [Window(0, n, 0, n)]


def test_nothing_has_no_windows() -> None:
    assert make_windows(0, window=10, stride=6) == []
