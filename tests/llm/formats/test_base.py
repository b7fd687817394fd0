"""Places in what a reply repeats become places in the text."""

from __future__ import annotations

import pytest

from spacy_llama_ner.llm.backends.base import Reject
from spacy_llama_ner.llm.formats.base import align, require_same

TEXT = "The  “Ada Lovelace”\nschool opened in Turin, on May 5th."


def place(given: str, words: str, text: str = TEXT) -> str | None:
    start = given.index(words)
    found = align(given, text).place(start, start + len(words))
    return None if found is None else text[slice(*found)]


def test_other_white_space_quotes_and_case_are_the_same_text() -> None:
    given = 'the "Ada Lovelace" School opened in Turin, on May 5th.'
    assert align(given, TEXT).similarity == 1
    assert place(given, "Ada Lovelace") == "Ada Lovelace"
    assert place(given, '"Ada Lovelace" School') == "“Ada Lovelace”\nschool"


def test_words_that_were_changed_have_no_place_but_others_do() -> None:
    given = "The Ada Byron school was opened in Torino, on May 5th!"
    assert place(given, "Ada") == "Ada"
    assert place(given, "May 5th") == "May 5th"
    assert place(given, "Torino") is None
    assert place(given, "Ada Byron") is None
    # what is inside may differ
    assert place(given, "Ada Byron school") == "Ada Lovelace”\nschool"


def test_a_place_may_lie_inside_a_word() -> None:
    assert place("the Turinese cafe", "Turin", "The Turinese café") == "Turin"
    assert place("meet at 6pm", "6", "Meet at 6pm") == "6"


def test_nothing_has_no_place() -> None:
    assert align("a b", "a b").place(1, 1) is None
    assert align("", "a b").place(0, 0) is None
    assert align("", "").similarity == 0


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
        require_same(align(given, TEXT), given)
    else:
        with pytest.raises(Reject, match="another text"):
            require_same(align(given, TEXT), given)
