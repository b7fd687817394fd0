"""Rounds, when they are over, and which is the best."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.active.rounds import first_highest, has_converged, iter_rounds


@pytest.mark.parametrize(
    ("scores", "over"),
    [
        ([0.5], False),
        ([0.5, 0.5, 0.5], False),  # fewer rounds than asked for
        ([0.5, 0.6, 0.7, 0.7, 0.7], True),
        ([0.5, 0.6, 0.7, 0.7, 0.72], False),  # the last one gains
        ([0.5, 0.6, 0.7, 0.705, 0.709], True),  # not enough, not even together
        ([0.5, 0.7, 0.6, 0.5, 0.6], True),  # it falls
    ],
)
def test_is_over_once_the_last_rounds_gain_too_little(scores: list[float], over: bool) -> None:
    assert has_converged(scores, min_rounds=3, patience=2, min_gain=0.01) is over


def test_patience_is_waited_for_where_few_rounds_are_asked_for() -> None:
    assert not has_converged([0.5, 0.4], min_rounds=0, patience=2, min_gain=0.01)
    assert has_converged([0.5, 0.4, 0.4], min_rounds=0, patience=2, min_gain=0.01)


def test_the_best_is_the_first_of_equals() -> None:
    assert first_highest([0.1, 0.7, 0.3, 0.7]) == 1


def test_rounds_are_numbered() -> None:
    rounds = iter_rounds(Path("out"))
    assert [next(rounds).folder.name for _ in range(3)] == ["000", "001", "002"]
