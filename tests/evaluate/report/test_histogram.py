"""Histograms of lengths."""

from __future__ import annotations

from collections import Counter

import pytest

from spacy_llama_ner.evaluate.report.histogram import bar_sizes, histograms, in_bars

from ..reader import read


@pytest.mark.parametrize(
    ("longest", "sizes"), [(1, (1, 1)), (25, (1, 25)), (26, (2, 13)), (113, (5, 23)), (251, (20, 13))]
)
def test_bars_are_as_wide_as_they_need_to_be(longest: int, sizes: tuple[int, int]) -> None:
    assert bar_sizes(Counter({longest: 1})) == sizes


def test_a_few_long_sentences_do_not_stretch_the_chart() -> None:
    assert bar_sizes(Counter({20: 995, 5000: 5})) == (1, 20)
    assert bar_sizes(Counter({20: 900, 5000: 100})) == (200, 25)


def test_each_length_is_in_one_bar() -> None:
    lengths = Counter({0: 1, 1: 1, 5: 1, 6: 2, 10: 1, 11: 3, 99: 1})
    assert in_bars(lengths, width=5, n=3) == [30, 30, 40]


def test_a_bar_says_what_it_holds() -> None:
    told = read(histograms({"dev": Counter({3: 1, 40: 3})}, unit="sentences")).shown
    assert "dev: sentences, %, by length" in told
    assert "3 to 4 words: 25.0%" in told
    assert "more than 38 words: 75.0%" in told


def test_empty_splits() -> None:
    assert "rect" not in {tag for tag, _ in read(histograms({"dev": Counter()}, unit="docs")).tags}
