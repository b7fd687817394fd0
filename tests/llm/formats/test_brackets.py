"""Inline marks: `[words](LABEL)`."""

from __future__ import annotations

import pytest

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.formats.brackets import read_marks
from tests.llm.formats.check import ENTS, TEXT, gold, read, render

MARKED = "Call [Ida Holm](NAME) on [Friday](DATE), or Ida on [5 May](DATE)."


def test_a_gold_doc_is_rendered_and_read_back() -> None:
    assert render("brackets", gold()) == MARKED
    assert read("brackets", MARKED) == (ENTS, [])
    assert read("brackets", TEXT) == ([], [])


@pytest.mark.parametrize(
    "reply",
    [
        f"```\n{MARKED}\n```",
        f"Here is the text with its entities:\n\n{MARKED}\n\nThere are three entities.",
        f"<think>Ida is a name.</think>{MARKED}",
        f"  {MARKED}\n",
        MARKED.replace("](", "] ("),
    ],
)
def test_what_stands_around_the_text_does_no_harm(reply: str) -> None:
    assert read("brackets", reply) == (ENTS, [])


def test_the_second_of_two_equal_words_can_be_marked() -> None:
    assert read("brackets", "Call Ida Holm on Friday, or [Ida](NAME) on 5 May.")[0] == [("Ida", "NAME")]
    doc_text = "May may come in May."
    found = read("brackets", "May may come in [May](DATE).", doc_text)
    assert found == ([("May", "DATE")], [])


def test_words_that_are_not_quite_those_of_the_text_are_matched() -> None:
    reply = "Please call [Ida Holm](NAME) on [friday](DATE) or Ida on [May 5](DATE)."
    ents, problems = read("brackets", reply)
    assert ents == [("Ida Holm", "NAME"), ("Friday", "DATE")]
    assert problems == ["other words than the text (repaired)", "piece not in text (rejected)"]


def test_labels_are_taken_in_any_case_but_no_others() -> None:
    ents, problems = read("brackets", "Call [Ida Holm](name) on [Friday](WEEKDAY), or Ida on 5 May.")
    assert ents == [("Ida Holm", "NAME")]
    assert problems == ["label spelled otherwise (repaired)", "label not allowed (rejected)"]


def test_of_marks_inside_marks_the_outer_one_wins() -> None:
    reply = "Call [[Ida](NAME) Holm](NAME) on [[Friday](DATE)](DATE), or Ida on 5 May."
    ents, problems = read("brackets", reply)
    assert ents == [("Ida Holm", "NAME"), ("Friday", "DATE")]
    assert problems == ["overlap (rejected)", "duplicate piece (rejected)"]


def test_a_mark_inside_a_word_grows_to_the_token() -> None:
    assert read("brackets", "Meet [Ida](NAME)n at noon", "Meet Idan at noon") == (
        [("Idan", "NAME")],
        ["cut token (repaired)"],
    )


def test_the_brackets_of_the_text_itself_are_no_marks() -> None:
    text = "See [Ida](notes) and [1] (page 3) of a[0] by Tomas."
    assert read("brackets", text.replace("Tomas", "[Tomas](NAME)"), text) == ([("Tomas", "NAME")], [])


def test_a_mark_around_nothing_is_left_out() -> None:
    ents, problems = read("brackets", MARKED.replace("or Ida", "or [](NAME)Ida"))
    assert (ents, problems) == (ENTS, ["mark around nothing (repaired)"])


@pytest.mark.parametrize(
    "reply",
    [
        "[Tomas](NAME) woke up at [noon](TIME).",
        "I cannot help with that.",
        '{"entities": []}',
        "[Ida Holm](NAME)",
    ],
)
def test_a_reply_about_another_text_is_rejected(reply: str) -> None:
    with pytest.raises(RejectedReplyError, match="another text"):
        read("brackets", reply)


def test_a_reply_that_was_cut_off_is_rejected_unless_the_text_was_whole() -> None:
    with pytest.raises(RejectedReplyError, match="cut off"):
        read("brackets", MARKED[:-20], cut=True)
    assert read("brackets", f"{MARKED}\n{MARKED[:10]}", cut=True) == (ENTS, [])


def test_lines_of_the_text_stay_lines() -> None:
    text = "Ida Holm\nFriday\n\nTomas"
    assert render("brackets", gold(text, [("Tomas", "NAME")])) == "Ida Holm\nFriday\n\n[Tomas](NAME)"
    assert read("brackets", "Ida Holm\nFriday\n\n[Tomas](NAME)", text) == ([("Tomas", "NAME")], [])


def test_marks_are_found_at_their_places_in_the_plain_text() -> None:
    plain, marks = read_marks("a [b [c](NAME) d](DATE) [e] [f", text=None, labels=["NAME", "DATE"])
    assert plain == "a b c d [e] [f"
    assert {(plain[mark.start : mark.end], mark.label) for mark in marks} == {("c", "NAME"), ("b c d", "DATE")}
