"""Pieces are found in the text, one behind the other, at the most sensible place."""

from __future__ import annotations

import pytest
import spacy

from spacy_llama_ner.data.pieces import Locator, Match, is_gap

from .helpers import NLP


@pytest.mark.parametrize(
    ("text", "piece", "place"),
    [
        ("Ann met Ann.", "Ann", (0, 3)),
        ("Annabel met Ann.", "Ann", (12, 15)),
        ("16 people at 6pm", "6", (13, 14)),
        # no token starts or ends there, but the run of letters does
        ("catalog cat@example.com", "cat", (8, 11)),
        ("Annabel met nobody.", "Ann", (0, 3)),
        ("at 6:30", ":", (4, 5)),
    ],
)
def test_whole_words_come_first(text: str, piece: str, place: tuple[int, int]) -> None:
    assert Locator(NLP.make_doc(text)).find(piece, goes_on=False) == Match(*place)


def test_the_search_goes_on_from_the_last_match_and_wraps() -> None:
    locator = Locator(NLP.make_doc("Ann met Ann."))
    locator.take(0, 3)
    assert locator.find("Ann", goes_on=False) == Match(8, 11)
    locator.take(8, 11)
    assert locator.find("Ann", goes_on=False) is None
    assert locator.find("met", goes_on=False) == Match(4, 7, out_of_order=True)


def test_what_goes_on_an_entity_is_looked_for_next_to_it() -> None:
    locator = Locator(NLP.make_doc("at 6pm in the pm office"))
    locator.take(3, 4)
    assert locator.find("pm", goes_on=True) == Match(4, 6)
    assert Locator(NLP.make_doc("x pm")).find("pm", goes_on=True) == Match(2, 4)


def test_case_and_white_space_may_differ() -> None:
    locator = Locator(NLP.make_doc("in NEW \n york"))
    assert locator.find("New York", goes_on=False) == Match(3, 13, loose=True)


def test_signs_of_regular_expressions_are_only_signs() -> None:
    assert Locator(NLP.make_doc("pay $5 (or a.c)")).find("a.c", goes_on=False) == Match(11, 14)
    assert Locator(NLP.make_doc("pay abc")).find("a.c", goes_on=False) is None


def test_matches_may_overlap_what_was_tried() -> None:
    locator = Locator(NLP.make_doc("aaa"))
    locator.take(0, 1)
    assert locator.find("aa", goes_on=False) == Match(1, 3)


@pytest.mark.parametrize("between", ["", " ", "\n\t ", ".", " - ", "_", "...", " (", ", "])
def test_gap(between: str) -> None:
    assert is_gap(between)


@pytest.mark.parametrize("between", ["a", " 1 ", "....", ". .", " and "])
def test_no_gap(between: str) -> None:
    assert not is_gap(between)
