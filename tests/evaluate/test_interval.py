"""How far F1 on a sample can be trusted."""

from __future__ import annotations

import pytest

from spacy_llama_ner.evaluate.groups import Tally
from spacy_llama_ner.evaluate.interval import difference_interval, f1_interval

RIGHT, WRONG, EMPTY = Tally(1, 1, 1), Tally(0, 1, 1), Tally()


def test_the_f1_lies_in_its_interval_which_shrinks_with_more_docs() -> None:
    few, many = (f1_interval([RIGHT, RIGHT, RIGHT, WRONG] * times) for times in (5, 500))
    assert few[0] < many[0] < 0.75 < many[1] < few[1]


def test_it_is_as_wide_as_the_spread_of_a_share() -> None:
    """For one entity a doc, F1 is a share of n docs, whose interval is some 1.96 standard errors to each side."""
    low, high = f1_interval([RIGHT] * 600 + [WRONG] * 400)
    margin = 1.96 * (0.6 * 0.4 / 1000) ** 0.5
    assert (low, high) == pytest.approx((0.6 - margin, 0.6 + margin), abs=0.004)


def test_nothing_varies_where_all_docs_are_alike() -> None:
    assert f1_interval([RIGHT] * 10) == (1, 1)
    assert f1_interval([WRONG] * 10) == (0, 0)
    assert f1_interval([EMPTY]) == f1_interval([]) == (0, 0)


def test_the_same_each_time() -> None:
    docs = [RIGHT, WRONG, EMPTY] * 20
    assert f1_interval(docs) == f1_interval(docs)


def test_a_difference_on_the_same_docs_is_surer_than_the_two_intervals_tell() -> None:
    first = [RIGHT] * 60 + [WRONG] * 40
    second = [RIGHT] * 55 + [WRONG] * 45
    low, high = difference_interval(first, second)
    assert 0 < low < 0.05 < high
    assert f1_interval(second)[1] > f1_interval(first)[0]


def test_a_system_does_not_differ_from_itself() -> None:
    docs = [RIGHT, WRONG, EMPTY] * 20
    assert difference_interval(docs, docs) == (0, 0)
