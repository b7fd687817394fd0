"""Charts of lines."""

from __future__ import annotations

import re

from spacy_llama_ner.evaluate.report.lines import Line, line_chart

from ..reader import read

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
