"""Axes and coordinates."""

from __future__ import annotations

import pytest

from spacy_llama_ner.evaluate.report.svg import HEIGHT, LEFT, WIDTH, Frame, nice_ticks


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
