"""Answers beside the texts that they are about."""

from __future__ import annotations

import pytest

from spacy_llama_ner.experts.answer import Answer, AnswerError, Mark
from spacy_llama_ner.experts.check import (
    BAD_OFFSETS,
    CUT_WORD,
    OTHER_TEXT,
    OVERLAP,
    UNKNOWN_LABEL,
    Rules,
    apply_answer,
)

from .samples import LABELS, MEETING, NLP, ents, tags

RULES = Rules(labels=LABELS)


def check(*marks: Mark, rules: Rules = RULES, text: str = MEETING, **settings: object) -> list[tuple[str, str]]:
    return ents(apply_answer(NLP.make_doc(text), Answer(text, marks, **settings), rules))


def test_marks_that_fit_are_entities_and_all_else_is_outside() -> None:
    answer = Answer(MEETING, (Mark(25, 29, "LOC", "Rome"), Mark(0, 9, "PER", "Ada Quill")))
    doc = apply_answer(NLP.make_doc(MEETING), answer, RULES)
    assert ents(doc) == [("Ada Quill", "PER"), ("Rome", "LOC")]
    assert tags(doc) == ["B", "I", "O", "O", "O", "O", "B", "O", "O", "O", "O"]


def test_no_mark_says_that_there_is_no_entity() -> None:
    assert set(tags(apply_answer(NLP.make_doc(MEETING), Answer(MEETING), RULES))) == {"O"}


def test_in_a_partial_answer_the_rest_is_not_known() -> None:
    mark = Mark(0, 9, "PER")
    for answer, rules in (
        (Answer(MEETING, (mark,), partial=True), RULES),
        (Answer(MEETING, (mark,)), Rules(partial=True)),
    ):
        assert tags(apply_answer(NLP.make_doc(MEETING), answer, rules)) == ["B", "I", *[""] * 9]


def test_an_expert_can_mark_what_cannot_be_told() -> None:
    answer = Answer(MEETING, (Mark(0, 9, "PER"), Mark(14, 21, "UNSURE")))
    doc = apply_answer(NLP.make_doc(MEETING), answer, Rules(labels=LABELS, unknown="UNSURE"))
    assert tags(doc)[:7] == ["B", "I", "O", "", "", "O", "O"]


def test_of_a_skipped_text_nothing_is_known() -> None:
    assert not any(tags(apply_answer(NLP.make_doc(MEETING), Answer(MEETING, verdict="skipped"), RULES)))


def test_the_same_mark_twice_is_one() -> None:
    assert check(Mark(0, 9, "PER"), Mark(0, 9, "PER")) == [("Ada Quill", "PER")]


def test_white_space_at_the_ends_of_a_mark_is_left_out() -> None:
    assert check(Mark(24, 30, "LOC", " Rome ")) == [("Rome", "LOC")]


def test_offsets_that_count_as_javascript_does_are_put_right_where_the_text_tells() -> None:
    assert check(Mark(38, 40, "PER", "Cy")) == [("Cy", "PER")]
    with pytest.raises(AnswerError):
        check(Mark(38, 40, "PER"))


def test_line_breaks_are_the_same_however_they_are_written() -> None:
    text = "Ada\nQuill met Bo"
    doc = NLP.make_doc(text)
    for claimed in ("Ada\\nQuill", "Ada Quill", "Ada\r\nQuill"):
        assert ents(apply_answer(doc, Answer(text, (Mark(0, 9, "PER", claimed),)), RULES)) == [("Ada\nQuill", "PER")]


@pytest.mark.parametrize(
    ("mark", "problem", "message"),
    [
        (Mark(0, 9, "PERSON"), UNKNOWN_LABEL, "'PERSON' .characters 0 to 9. is none of the labels PER, LOC"),
        (Mark(0, 9, "PER", "Bo Reed"), BAD_OFFSETS, "are said to hold 'Bo Reed', and hold 'Ada Quill'"),
        (Mark(0, 90, "PER"), BAD_OFFSETS, "in a text of 40 characters"),
        (Mark(-3, 2, "PER"), BAD_OFFSETS, "characters -3 to 2"),
        (Mark(9, 9, "PER"), BAD_OFFSETS, "characters 9 to 9"),
        (Mark(9, 4, "PER"), BAD_OFFSETS, "characters 9 to 4"),
        (Mark(9, 10, "PER"), BAD_OFFSETS, "white space alone"),
        (Mark(1, 9, "PER"), CUT_WORD, "'da Quill' .* with whole words it is 'Ada Quill'"),
    ],
)
def test_a_mark_that_does_not_fit_is_refused(mark: Mark, problem: str, message: str) -> None:
    with pytest.raises(AnswerError, match=message) as caught:
        check(Mark(25, 29, "LOC"), mark)
    assert caught.value.problem == problem


def test_marks_that_share_words_are_refused() -> None:
    with pytest.raises(AnswerError, match="'Ada Quill' .PER. and 'Quill' .LOC. share words") as caught:
        check(Mark(0, 9, "PER"), Mark(4, 9, "LOC"))
    assert caught.value.problem == OVERLAP


def test_an_answer_to_another_text_is_refused() -> None:
    with pytest.raises(AnswerError, match="mark this one again") as caught:
        apply_answer(NLP.make_doc(MEETING), Answer(MEETING + "!"), RULES)
    assert caught.value.problem == OTHER_TEXT


def test_without_rules_any_label_goes() -> None:
    assert check(Mark(0, 9, "PERSON"), rules=Rules()) == [("Ada Quill", "PERSON")]
