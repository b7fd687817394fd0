"""Charts as SVG: what they show, where it lies, and that names are escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from spacy_llama_ner.report.charts import (
    HEIGHT,
    LEFT,
    WIDTH,
    Chart,
    Frame,
    Line,
    Series,
    bar_chart,
    bar_percentages,
    bar_sizes,
    chart_file,
    element,
    f1_chart,
    histograms,
    line_chart,
    nice_ticks,
    scatter_chart,
)
from tests.report.html_reader import read


def test_texts_and_attributes_of_elements_are_escaped() -> None:
    evil = '<b onclick="go()">'
    escaped = "&lt;b onclick=&#34;go()&#34;&gt;"
    assert element("text", evil, x=evil) == f'<text x="{escaped}">{escaped}</text>'


def test_elements_go_into_others_as_they_are() -> None:
    circle = element("circle", class_="dot", cx=1.25, r=3)
    assert circle == '<circle class="dot" cx="1.2" r="3"/>'
    assert element("g", circle, circle, aria_hidden="true") == f'<g aria-hidden="true">{circle}{circle}</g>'


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
    assert bar_percentages(lengths, width=5, n_bars=3) == [30, 30, 40]


def test_a_bar_says_what_it_holds() -> None:
    (chart,) = histograms({"dev": Counter({3: 1, 40: 3})}, unit="sentences")
    assert chart.title == "dev: sentences, %, by length"
    told = read(chart.to_svg()).shown
    assert "3 to 4 words: 25.0%" in told
    assert "more than 38 words: 75.0%" in told


def test_empty_splits() -> None:
    (chart,) = histograms({"dev": Counter()}, unit="docs")
    assert "rect" not in {tag for tag, _ in read(chart.to_svg()).tags}


Points = list[tuple[int, float | None]]


def draw_lines(lines: Sequence[Line], *, mark: tuple[int, float] | None = None) -> Chart:
    chart = line_chart("F1", lines, mark=mark)
    assert chart is not None
    return chart


def draw(points: Points, *, mark: tuple[int, float] | None = None) -> str:
    return draw_lines([Line("dev", points, "var(--dev)")], mark=mark).to_svg()


def y_ticks(svg: str) -> list[float]:
    return [float(tick) for tick in re.findall(r'<text class="y"[^>]*>([\d.]+)<', svg)]


def test_a_point_can_be_read_by_pointing_at_it() -> None:
    assert "dev, step 1,200: 93.25" in read(draw([(0, 90.0), (1200, 93.25)])).shown


def test_gaps_are_not_bridged() -> None:
    path = re.findall(r'class="line" d="([^"]+)"', draw([(0, 1.0), (1, 2.0), (2, None), (3, 4.0)]))
    assert len(path) == 1
    assert re.sub(r"[\d. ]+", "", path[0].replace("h0", "h")) == "MhLMh"


def test_lines_and_charts_without_values_are_left_out() -> None:
    some, none = Line("dev", [(0, 1.0), (1, 2.0)], "red"), Line("train", [(0, None)], "blue")
    assert "train" not in draw_lines([some, none]).to_svg()
    assert line_chart("F1", [none]) is None


def test_a_legend_where_there_is_more_than_one_line() -> None:
    one, two = Line("dev", [(0, 1.0)], "red"), Line("train", [(0, 2.0)], "blue")
    assert draw_lines([one]).legend == ()
    assert draw_lines([one, two]).legend == [one, two]


def test_the_first_climb_does_not_flatten_the_rest() -> None:
    climb: Points = [(0, 0.0), (1, 60.0), *((i, 90 + i / 4) for i in range(2, 9))]
    assert min(y_ticks(draw(climb))) >= 90


def test_three_points_are_enough_for_that() -> None:
    assert min(y_ticks(draw([(0, 0.0), (4, 90.0), (8, 91.0)]))) >= 90
    assert min(y_ticks(draw([(0, 0.0), (8, 91.0)]))) == 0


def test_a_line_that_ended_early_is_shown_beside_a_long_one() -> None:
    long: Points = [(step, 90.0 + step / 1000) for step in (0, 1000, 2000, 4000)]
    lines = [Line("long", long, "red"), Line("short", [(0, 0.0), (100, 40.0), (400, 60.0)], "blue")]
    assert 0 < min(y_ticks(draw_lines(lines).to_svg())) <= 40


def test_a_marked_point_is_always_shown() -> None:
    early: Points = [(0, 50.0), (1, 99.0), *((i, 70.0 + i) for i in range(2, 9))]
    page = draw(early, mark=(1, 99.0))
    assert max(y_ticks(page)) >= 99
    assert 'class="ring"' in page


def test_names_are_escaped() -> None:
    chart = line_chart("<b>", [Line('"<i>', [(0, 1.0)], "red"), Line("b", [(0, 1.0)], "red")])
    assert chart is not None
    assert not {"b", "i"} & {tag for tag, _ in read(chart.to_svg()).tags}


def test_one_point_is_enough_for_an_f1_chart() -> None:
    chart = f1_chart("F1", [Series("a < b", [(0.0, 0.5, 0.0)], "red"), Series("none", [], "red")], x_name="words")
    ElementTree.fromstring(chart_file("T & U", [chart]))
    assert "a &lt; b" in chart.content and ">none<" not in chart.content


def test_points_of_a_scatter_chart_have_numbers_and_tooltips() -> None:
    chart = scatter_chart("F1 against cost", [(0.0, 80.0, "cheap & poor"), (2.0, 90.0, "dear")], x_name="cost")
    shown = read(chart.to_svg()).shown
    assert "cheap & poor 1 dear 2" in shown


def test_bars_are_as_long_as_their_values() -> None:
    chart = bar_chart("words/s", [("<slow>", 25.0, "red"), ("fast", 100.0, "blue"), ("none", 0.0, "red")])
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', chart.content)]
    assert widths == [widths[1] / 4, widths[1], 0] and 0 < widths[1] < WIDTH
    assert read(chart.to_svg()).shown == "<slow> 25 fast 100 none 0"
    assert 'width="0.0"' in bar_chart("F1", [("none", 0.0, "red")]).content


def test_a_file_holds_its_charts_side_by_side_and_its_own_colours() -> None:
    charts = [bar_chart(f"<{name}>", [("a", 1.0, "red")] * n) for n, name in enumerate("abc", start=1)]
    file = chart_file("T & U", charts, columns=2)
    root = ElementTree.fromstring(file)
    inner = [node for node in root if node.tag.endswith("svg")]
    places = [(int(node.attrib["x"]), int(node.attrib["y"])) for node in inner]
    assert places[0][1] == places[1][1] < places[2][1] and places[0][0] == places[2][0] < places[1][0]
    # no two overlap, and all are inside
    assert places[0][0] + WIDTH < places[1][0] and places[1][1] + charts[1].height < places[2][1]
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    assert places[1][0] + WIDTH <= width and places[2][1] + charts[2].height <= height
    assert [node.text for node in root if node.tag.endswith("text")] == ["<a>", "<b>", "<c>"]
    assert "svg:root {" in file and "--dev: #" in file
    assert not re.search(r"url\(|@import|href=", file)


def test_a_file_of_one_chart_has_no_title_in_the_picture() -> None:
    root = ElementTree.fromstring(chart_file("T", [bar_chart("F1", [("a", 1.0, "red")])]))
    assert [node for node in root if node.tag.endswith("text")] == []
    assert root[0].text == "T"


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
    ticks = nice_ticks(0, high, max_ticks=most)
    assert len(ticks) <= most
    assert ticks[0] == 0 and ticks[-1] >= high


def test_values_lie_where_they_should() -> None:
    frame = Frame((0, 10), (0, 1))
    left, bottom = frame.position(0, 0)
    right, top = frame.position(10, 1)
    assert left == LEFT < right < WIDTH
    assert 0 < top < bottom < HEIGHT
    assert frame.position(5, 0.5) == ((left + right) / 2, (top + bottom) / 2)
