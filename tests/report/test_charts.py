"""Histograms of lengths."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from spacy_llama_ner.report.charts import (
    HEIGHT,
    LEFT,
    WIDTH,
    Frame,
    Line,
    bar_sizes,
    histograms,
    in_bars,
    line_chart,
    nice_ticks,
)
from tests.evaluate.reader import read


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


Points = list[tuple[int, float | None]]


def chart(points: Points, *, mark: tuple[int, float] | None = None) -> str:
    return line_chart("F1", [Line("dev", points, "var(--dev)")], mark=mark)


def y_ticks(page: str) -> list[float]:
    return [float(tick) for tick in re.findall(r'<text class="y"[^>]*>([\d.]+)<', page)]


def test_a_point_can_be_read_by_pointing_at_it() -> None:
    assert "dev, step 1,200: 93.25" in read(chart([(0, 90.0), (1200, 93.25)])).shown


def test_gaps_are_not_bridged() -> None:
    path = re.findall(r'class="line" d="([^"]+)"', chart([(0, 1.0), (1, 2.0), (2, None), (3, 4.0)]))
    assert len(path) == 1
    assert re.sub(r"[\d. ]+", "", path[0].replace("h0", "h")) == "MhLMh"


def test_lines_and_charts_without_values_are_left_out() -> None:
    some, none = Line("dev", [(0, 1.0), (1, 2.0)], "red"), Line("train", [(0, None)], "blue")
    assert "train" not in line_chart("F1", [some, none])
    assert line_chart("F1", [none]) == ""


def test_a_legend_where_there_is_more_than_one_line() -> None:
    one, two = Line("dev", [(0, 1.0)], "red"), Line("train", [(0, 2.0)], "blue")
    assert 'class="keys"' not in line_chart("F1", [one])
    assert read(line_chart("F1", [one, two])).shown.endswith("dev train")


def test_the_first_climb_does_not_flatten_the_rest() -> None:
    climb: Points = [(0, 0.0), (1, 60.0), *((i, 90 + i / 4) for i in range(2, 9))]
    assert min(y_ticks(chart(climb))) >= 90


def test_three_points_are_enough_for_that() -> None:
    assert min(y_ticks(chart([(0, 0.0), (4, 90.0), (8, 91.0)]))) >= 90
    assert min(y_ticks(chart([(0, 0.0), (8, 91.0)]))) == 0


def test_a_line_that_ended_early_is_shown_beside_a_long_one() -> None:
    long: Points = [(step, 90.0 + step / 1000) for step in (0, 1000, 2000, 4000)]
    lines = [Line("long", long, "red"), Line("short", [(0, 0.0), (100, 40.0), (400, 60.0)], "blue")]
    assert 0 < min(y_ticks(line_chart("F1", lines))) <= 40


def test_a_marked_point_is_always_shown() -> None:
    early: Points = [(0, 50.0), (1, 99.0), *((i, 70.0 + i) for i in range(2, 9))]
    page = chart(early, mark=(1, 99.0))
    assert max(y_ticks(page)) >= 99
    assert 'class="ring"' in page


def test_names_are_escaped() -> None:
    page = line_chart("<b>", [Line('"<i>', [(0, 1.0)], "red"), Line("b", [(0, 1.0)], "red")])
    assert not {"b", "i"} & {tag for tag, _ in read(page).tags}


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (88.2, 93.9, [88, 90, 92, 94]),
        (0, 1234, [0, 250, 500, 750, 1000, 1250]),
        (0.05, 2.3, [0, 0.5, 1, 1.5, 2, 2.5]),
        (-3, 3, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_are_round_and_hold_the_range(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("value", [0, 0.5, -2, 94.3, 1e9])
def test_a_single_value_has_room(value: float) -> None:
    ticks = nice_ticks(value, value)
    assert ticks[0] <= value <= ticks[-1]
    assert 2 <= len(ticks) <= 6


@pytest.mark.parametrize("most", [3, 5, 8])
@pytest.mark.parametrize("high", [0.0013, 0.7, 1, 9.99, 51, 4096, 123456])
def test_there_are_never_too_many_ticks(high: float, most: int) -> None:
    ticks = nice_ticks(0, high, most=most)
    assert len(ticks) <= most
    assert ticks[0] == 0 and ticks[-1] >= high


def test_values_lie_where_they_should() -> None:
    frame = Frame((0, 10), (0, 1))
    left, bottom = frame.at(0, 0)
    right, top = frame.at(10, 1)
    assert left == LEFT < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert frame.at(5, 0.5) == ((left + right) / 2, (top + bottom) / 2)
