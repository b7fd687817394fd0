"""The expected calibration error, counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_llama_ner.evaluate.calibration import expected_calibration_error


def test_is_the_distance_of_score_and_share_averaged_by_size() -> None:
    # in the bin of 0.9 to 1, 0.95 against 2 of 3; in that of 0.3 to 0.4, 0.35 against 1 of 1
    scores, right = [0.92, 0.95, 0.98, 0.35], [True, False, True, True]
    expected = (3 * abs(0.95 - 2 / 3) + 1 * abs(0.35 - 1)) / 4
    assert expected_calibration_error(scores, right) == pytest.approx(expected)


def test_within_a_bin_too_high_and_too_low_cancel_out() -> None:
    assert expected_calibration_error([0.71, 0.79], [True, False], bins=10) == pytest.approx(0.25)
    assert expected_calibration_error([0.71, 0.79], [True, False], bins=100) == pytest.approx((0.29 + 0.79) / 2)
    assert expected_calibration_error([0.5, 0.5], [True, False]) == 0


def test_certainty_is_in_the_last_bin() -> None:
    assert expected_calibration_error([1.0, 0.95, 0.0], [True, True, False]) == pytest.approx(0.05 / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
def test_is_between_zero_and_one_whatever_the_order(pairs: list[tuple[float, bool]], bins: int) -> None:
    error = expected_calibration_error(*zip(*pairs, strict=True), bins=bins)
    assert 0 <= error <= 1
    assert expected_calibration_error(*zip(*reversed(pairs), strict=True), bins=bins) == pytest.approx(error)


@pytest.mark.parametrize(("scores", "right"), [([], []), ([0.5], []), ([0.5], [True, False])])
def test_scores_without_verdicts_are_an_error(scores: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"Got \d scores and \d verdicts"):
        expected_calibration_error(scores, right)
