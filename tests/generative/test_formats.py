"""Lines of words and tags."""

from __future__ import annotations

import pytest

from spacy_llama_ner.generative.formats import BioLines, InlineBrackets
from spacy_llama_ner.generative.predict import read
from tests.generative.samples import LABELS, chunk_of

FORMAT = BioLines()


def entities(answer: str, text: str) -> tuple[list[tuple[int, int, str]], bool]:
    found, whole = read(answer, chunk_of(text), LABELS, format=FORMAT)
    return [(each.start, each.end, each.label) for each in found], whole


def test_each_word_of_an_entity_has_its_line() -> None:
    pieces = FORMAT.write(chunk_of("ask Mia Brook on Friday"), [(1, 3, "NAME"), (4, 5, "DATE")])
    assert "".join(pieces) == "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE"


def test_a_text_without_entities_has_an_empty_answer() -> None:
    assert FORMAT.write(chunk_of("no one came"), []) == []
    assert entities("", "no one came") == ([], True)


def test_lines_are_found_in_the_order_of_the_text() -> None:
    assert entities("Friday: B-DATE\nMia: B-NAME", "Friday : Mia comes on Friday") == (
        [(0, 1, "DATE"), (2, 3, "NAME")],
        True,
    )


def test_a_word_that_stands_there_twice_is_the_one_that_what_follows_allows() -> None:
    text = "6 people come at 6 pm"
    assert entities("6: B-DATE\npm: I-DATE", text) == ([(4, 6, "DATE")], True)
    assert entities("6: B-DATE\npeople: B-NAME", text) == ([(0, 1, "DATE"), (1, 2, "NAME")], True)
    assert entities("6: B-DATE", text) == ([(0, 1, "DATE")], True)


@pytest.mark.parametrize(
    "slip",
    [
        "Omar: B-NAME",  # not in the text
        "Mia: B-PLACE",  # no such label
        "Mia: I-NAME",  # goes on what has not begun
        "Mia B-NAME",
        "Here they are:",
    ],
)
def test_what_does_not_parse_is_left_out(slip: str) -> None:
    assert entities(slip, "Friday suits Mia") == ([], False)


def test_words_in_another_order_than_the_texts_do_not_parse() -> None:
    assert entities("Mia: B-NAME\nFriday: B-DATE", "Friday suits Mia") == ([], False)


def test_what_was_complete_before_a_slip_is_kept() -> None:
    assert entities("Friday: B-DATE\nMia: B-NAME\nBro", "Friday suits Mia Brook") == ([(0, 1, "DATE")], False)


def test_white_space_behind_an_answer_is_passed_over() -> None:
    assert entities("Mia: B-NAME \n", "Mia came") == ([(0, 1, "NAME")], True)


def test_words_may_look_like_lines() -> None:
    assert entities(":: B-NAME\nB-NAME: I-NAME", "a : B-NAME") == ([(1, 3, "NAME")], True)


def test_an_entity_knows_where_it_stands_in_the_answer() -> None:
    answer = "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE"
    found, _ = read(answer, chunk_of("Mia Brook on Friday"), LABELS, format=FORMAT)
    assert [answer[each.began : each.ended] for each in found] == ["Mia: B-NAME\nBrook: I-NAME", "\nFriday: B-DATE"]


BRACKETS_FORMAT = InlineBrackets()
TEXT = "ask Mia Brook on Friday"
RIGHT = "ask [Mia Brook](NAME) on [Friday](DATE)"


def brackets_entities(answer: str, text: str = TEXT) -> tuple[list[tuple[int, int, str]], bool]:
    found, whole = read(answer, chunk_of(text), LABELS, format=BRACKETS_FORMAT)
    return [(each.start, each.end, each.label) for each in found], whole


def test_entities_are_marked_in_the_text() -> None:
    assert "".join(BRACKETS_FORMAT.write(chunk_of(TEXT), [(1, 3, "NAME"), (4, 5, "DATE")])) == RIGHT
    assert brackets_entities(RIGHT) == ([(1, 3, "NAME"), (4, 5, "DATE")], True)


def test_a_text_without_entities_is_repeated() -> None:
    assert "".join(BRACKETS_FORMAT.write(chunk_of(TEXT), [])) == TEXT
    assert brackets_entities(TEXT) == ([], True)


def test_entities_side_by_side() -> None:
    answer = "[Mia](NAME) [Friday](DATE)"
    assert "".join(BRACKETS_FORMAT.write(chunk_of("Mia Friday"), [(0, 1, "NAME"), (1, 2, "DATE")])) == answer
    assert brackets_entities(answer, "Mia Friday") == ([(0, 1, "NAME"), (1, 2, "DATE")], True)


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
def test_brackets_what_does_not_parse_is_left_out(answer: str) -> None:
    assert brackets_entities(answer) == ([], False)


def test_brackets_what_was_complete_before_a_slip_is_kept() -> None:
    assert brackets_entities("ask [Mia Brook](NAME) on [Monday](DATE)") == ([(1, 3, "NAME")], False)


def test_brackets_of_the_text_are_no_marks() -> None:
    text = "see [Mia](NAME) or Omar"
    assert brackets_entities(text, text) == ([], True)
    assert brackets_entities("see [Mia](NAME) or [Omar](NAME)", text) == ([(3, 4, "NAME")], True)


def test_brackets_an_entity_knows_where_it_stands_in_the_answer() -> None:
    found, _ = read(RIGHT, chunk_of(TEXT), LABELS, format=BRACKETS_FORMAT)
    assert [RIGHT[each.began : each.ended] for each in found] == [" [Mia Brook](NAME)", " [Friday](DATE)"]
