"""The formats of answers: what they write, and what is read from answers, right and wrong."""

from __future__ import annotations

import pytest

from spacy_llama_ner.generative.formats import AnswerFormat, BioLines, InlineBrackets
from spacy_llama_ner.generative.predict import parse_answer
from tests.generative.samples import LABELS, chunk_of

LINES, BRACKETS = BioLines(), InlineBrackets()
TEXT = "ask Mia Brook on Friday"
ENTS = [(1, 3, "NAME"), (4, 5, "DATE")]
MARKED = "ask [Mia Brook](NAME) on [Friday](DATE)"


def parse(answer: str, text: str, format: AnswerFormat) -> tuple[list[tuple[int, int, str]], bool]:
    """The entities of an answer, and whether it is complete."""
    entities, complete = parse_answer(answer, chunk_of(text), LABELS, format=format)
    return [(each.start, each.end, each.label) for each in entities], complete


def test_lines_have_one_for_each_word_of_an_entity() -> None:
    assert "".join(LINES.write(chunk_of(TEXT), ENTS)) == "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE"


def test_lines_of_a_text_without_entities_are_empty() -> None:
    assert LINES.write(chunk_of("no one came"), []) == []
    assert parse("", "no one came", LINES) == ([], True)


def test_lines_are_found_in_the_order_of_the_text() -> None:
    assert parse("Friday: B-DATE\nMia: B-NAME", "Friday : Mia comes on Friday", LINES) == (
        [(0, 1, "DATE"), (2, 3, "NAME")],
        True,
    )


def test_lines_of_a_word_that_occurs_twice_mean_the_one_that_the_next_line_allows() -> None:
    text = "6 people come at 6 pm"
    assert parse("6: B-DATE\npm: I-DATE", text, LINES) == ([(4, 6, "DATE")], True)
    assert parse("6: B-DATE\npeople: B-NAME", text, LINES) == ([(0, 1, "DATE"), (1, 2, "NAME")], True)
    assert parse("6: B-DATE", text, LINES) == ([(0, 1, "DATE")], True)


@pytest.mark.parametrize(
    "answer",
    [
        "Omar: B-NAME",  # not in the text
        "Mia: B-PLACE",  # no such label
        "Mia: I-NAME",  # continues an entity that has not begun
        "Mia B-NAME",
        "Here they are:",
    ],
)
def test_lines_that_do_not_parse_are_left_out(answer: str) -> None:
    assert parse(answer, "Friday suits Mia", LINES) == ([], False)


def test_lines_in_another_order_than_the_text_do_not_parse() -> None:
    assert parse("Mia: B-NAME\nFriday: B-DATE", "Friday suits Mia", LINES) == ([], False)


def test_lines_before_an_error_are_kept() -> None:
    answer = "Friday: B-DATE\nMia: B-NAME\nBro"
    assert parse(answer, "Friday suits Mia Brook", LINES) == ([(0, 1, "DATE")], False)


def test_white_space_after_an_answer_is_skipped() -> None:
    assert parse("Mia: B-NAME \n", "Mia came", LINES) == ([(0, 1, "NAME")], True)


def test_words_may_look_like_lines() -> None:
    assert parse(":: B-NAME\nB-NAME: I-NAME", "a : B-NAME", LINES) == ([(1, 3, "NAME")], True)


def test_entities_of_lines_have_their_place_in_the_answer() -> None:
    answer = "Mia: B-NAME\nBrook: I-NAME\nFriday: B-DATE"
    found, _ = parse_answer(answer, chunk_of("Mia Brook on Friday"), LABELS, format=LINES)
    texts = [answer[each.char_start : each.char_end] for each in found]
    assert texts == ["Mia: B-NAME\nBrook: I-NAME", "\nFriday: B-DATE"]


def test_brackets_mark_entities_in_the_text() -> None:
    assert "".join(BRACKETS.write(chunk_of(TEXT), ENTS)) == MARKED
    assert parse(MARKED, TEXT, BRACKETS) == (ENTS, True)


def test_brackets_repeat_a_text_without_entities() -> None:
    assert "".join(BRACKETS.write(chunk_of(TEXT), [])) == TEXT
    assert parse(TEXT, TEXT, BRACKETS) == ([], True)


def test_brackets_mark_entities_side_by_side() -> None:
    answer, ents = "[Mia](NAME) [Friday](DATE)", [(0, 1, "NAME"), (1, 2, "DATE")]
    assert "".join(BRACKETS.write(chunk_of("Mia Friday"), ents)) == answer
    assert parse(answer, "Mia Friday", BRACKETS) == (ents, True)


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
def test_brackets_that_do_not_parse_are_left_out(answer: str) -> None:
    assert parse(answer, TEXT, BRACKETS) == ([], False)


def test_brackets_before_an_error_are_kept() -> None:
    assert parse("ask [Mia Brook](NAME) on [Monday](DATE)", TEXT, BRACKETS) == ([(1, 3, "NAME")], False)


def test_brackets_of_the_text_mark_nothing() -> None:
    text = "see [Mia](NAME) or Omar"
    assert parse(text, text, BRACKETS) == ([], True)
    assert parse("see [Mia](NAME) or [Omar](NAME)", text, BRACKETS) == ([(3, 4, "NAME")], True)


def test_entities_in_brackets_have_their_place_in_the_answer() -> None:
    found, _ = parse_answer(MARKED, chunk_of(TEXT), LABELS, format=BRACKETS)
    assert [MARKED[each.char_start : each.char_end] for each in found] == [" [Mia Brook](NAME)", " [Friday](DATE)"]
