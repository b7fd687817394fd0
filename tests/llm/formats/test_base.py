"""Spans of a text as a reply repeats it become spans of the text itself."""

from __future__ import annotations

import pytest

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.formats.base import align_reply, require_same_text

TEXT = "The  “Ada Lovelace”\nschool opened in Turin, on May 5th."


def find(given: str, words: str, text: str = TEXT) -> str | None:
    start = given.index(words)
    found = align_reply(given, text).text_span(start, start + len(words))
    return None if found is None else text[slice(*found)]


def test_other_white_space_quotes_and_case_are_the_same_text() -> None:
    given = 'the "Ada Lovelace" School opened in Turin, on May 5th.'
    assert align_reply(given, TEXT).similarity == 1
    assert find(given, "Ada Lovelace") == "Ada Lovelace"
    assert find(given, '"Ada Lovelace" School') == "“Ada Lovelace”\nschool"


def test_words_that_were_changed_have_no_place_but_others_do() -> None:
    given = "The Ada Byron school was opened in Torino, on May 5th!"
    assert find(given, "Ada") == "Ada"
    assert find(given, "May 5th") == "May 5th"
    assert find(given, "Torino") is None
    assert find(given, "Ada Byron") is None
    # what is inside may differ
    assert find(given, "Ada Byron school") == "Ada Lovelace”\nschool"


def test_a_place_may_lie_inside_a_word() -> None:
    assert find("the Turinese cafe", "Turin", "The Turinese café") == "Turin"
    assert find("meet at 6pm", "6", "Meet at 6pm") == "6"


def test_nothing_has_no_place() -> None:
    assert align_reply("a b", "a b").text_span(1, 1) is None
    assert align_reply("", "a b").text_span(0, 0) is None
    assert align_reply("", "").similarity == 0


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (TEXT, True),
        ("The Ada Byron school was opened in Torino, on May 5th!", True),
        ("The school opened.", False),
        ("I am sorry, but I cannot help with that.", False),
        ("", False),
    ],
)
def test_a_reply_about_another_text_is_known_by_its_words(given: str, same: bool) -> None:
    if same:
        require_same_text(align_reply(given, TEXT), given)
    else:
        with pytest.raises(RejectedReplyError, match="another text"):
            require_same_text(align_reply(given, TEXT), given)
