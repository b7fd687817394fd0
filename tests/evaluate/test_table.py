"""Scores as text."""

from __future__ import annotations

import pytest
from wasabi.printer import Printer

from spacy_llama_ner.evaluate.table import change_rows, percent, print_scores, score_rows

SCORES = {
    "ents_p": 0.5,
    "ents_r": 0.25,
    "ents_f": 1 / 3,
    "ents_per_type": {"NAME": {"p": 1.0, "r": 0.25, "f": 0.4}, "DATE": {"p": 0.0, "r": 0.0, "f": 0.0}},
}


def test_one_row_for_all_and_one_a_label() -> None:
    assert score_rows(SCORES, {"NAME": 1200}) == [
        ("all", "50.00", "25.00", "33.33", "1,200"),
        ("DATE", "0.00", "0.00", "0.00", "0"),
        ("NAME", "100.00", "25.00", "40.00", "1,200"),
    ]


def test_a_label_without_scores_still_has_its_row() -> None:
    nothing = {"ents_p": None, "ents_r": None, "ents_f": None, "ents_per_type": None}
    assert score_rows(nothing, {"NAME": 2}) == [("all", "-", "-", "-", "2"), ("NAME", "-", "-", "-", "2")]


def test_percentages_have_two_decimals() -> None:
    assert percent(0.88973) == "88.97"


@pytest.mark.parametrize(("more", "shown"), [({}, False), ({"ents_ece": 0.0312}, True)])
def test_calibration_error_is_shown_where_there_is_one(
    more: dict[str, float], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_scores({**SCORES, "ents_token_acc": 0.9, "speed": 1200.0, **more}, {}, msg=Printer())
    printed = " ".join(capsys.readouterr().out.split())
    assert "Token accuracy 90.00" in printed and "Words per second 1,200" in printed
    assert ("Calibration error (ECE) 3.12" in printed) is shown


def test_answers_that_do_not_parse_are_shown_where_answers_were_written(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {**SCORES, "ents_token_acc": 0.9, "speed": 1200.0}
    print_scores(scores, {}, msg=Printer())
    assert "do not parse" not in capsys.readouterr().out
    print_scores({**scores, "parse_failures": 3}, {}, msg=Printer())
    assert "Answers that do not parse 3" in " ".join(capsys.readouterr().out.split())


def test_what_has_become_of_each_label() -> None:
    before = {"ents_f": 0.5, "ents_per_type": {"NAME": {"f": 0.9}, "DATE": {"f": 0.4}}}
    after = {"ents_f": 0.75, "ents_per_type": {"NAME": {"f": 0.85}, "all": {"f": 1.0}}}
    assert change_rows(before, after, {"NAME": 1000, "all": 2}) == [
        ("all", "50.00", "75.00", "+25.00", "1,002"),
        ("DATE", "40.00", "-", "-", "0"),
        ("NAME", "90.00", "85.00", "-5.00", "1,000"),
        ("all", "-", "100.00", "-", "2"),
    ]
