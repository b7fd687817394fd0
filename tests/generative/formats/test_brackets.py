"""Marks in the text."""

from __future__ import annotations

import pytest

from spacy_llama_ner.generative.formats import InlineBrackets
from spacy_llama_ner.generative.reading import read

from ..samples import LABELS, chunk_of

FORMAT = InlineBrackets()
TEXT = "ask Mia Brook on Friday"
RIGHT = "ask [Mia Brook](NAME) on [Friday](DATE)"


def entities(answer: str, text: str = TEXT) -> tuple[list[tuple[int, int, str]], bool]:
    found, whole = read(answer, chunk_of(text), LABELS, format=FORMAT)
    return [(each.start, each.end, each.label) for each in found], whole


def test_entities_are_marked_in_the_text() -> None:
    assert "".join(FORMAT.write(chunk_of(TEXT), [(1, 3, "NAME"), (4, 5, "DATE")])) == RIGHT
    assert entities(RIGHT) == ([(1, 3, "NAME"), (4, 5, "DATE")], True)


def test_a_text_without_entities_is_repeated() -> None:
    assert "".join(FORMAT.write(chunk_of(TEXT), [])) == TEXT
    assert entities(TEXT) == ([], True)


def test_entities_side_by_side() -> None:
    answer = "[Mia](NAME) [Friday](DATE)"
    assert "".join(FORMAT.write(chunk_of("Mia Friday"), [(0, 1, "NAME"), (1, 2, "DATE")])) == answer
    assert entities(answer, "Mia Friday") == ([(0, 1, "NAME"), (1, 2, "DATE")], True)


@pytest.mark.parametrize(
    "answer",
    [
        "ask [Mia Brook](PERSON) on Friday",  # no such label
        "ask [Mia Brook on Friday",  # never closed
        "ask Mia Brook",  # too short
        "ask Mia Brook on Friday too",
        "Ask Mia Brook on Friday",  # another word
        "ask [](NAME) Mia Brook on Friday",  # around nothing
        "ask [[Mia](NAME) Brook](NAME) on Friday",
        "Here it is: ask Mia Brook on Friday",
    ],
)
def test_what_does_not_parse_is_left_out(answer: str) -> None:
    assert entities(answer) == ([], False)


def test_what_was_complete_before_a_slip_is_kept() -> None:
    assert entities("ask [Mia Brook](NAME) on [Monday](DATE)") == ([(1, 3, "NAME")], False)


def test_brackets_of_the_text_are_no_marks() -> None:
    text = "see [Mia](NAME) or Omar"
    assert entities(text, text) == ([], True)
    assert entities("see [Mia](NAME) or [Omar](NAME)", text) == ([(3, 4, "NAME")], True)


def test_an_entity_knows_where_it_stands_in_the_answer() -> None:
    found, _ = read(RIGHT, chunk_of(TEXT), LABELS, format=FORMAT)
    assert [RIGHT[each.began : each.ended] for each in found] == [" [Mia Brook](NAME)", " [Friday](DATE)"]
