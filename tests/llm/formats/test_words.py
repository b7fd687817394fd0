"""Words with their tags in JSON."""

from __future__ import annotations

import json

import pytest

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.formats import WordsFormat
from tests.llm.formats.check import ENTS, TEXT, gold, read, render

TAGS = ["O", "B-NAME", "I-NAME", "O", "B-DATE", "O", "O", "O", "O", "B-DATE", "I-DATE", "O"]
WORDS = [token.text for token in gold()]
PAIRS = [list(pair) for pair in zip(WORDS, TAGS, strict=True)]


def test_a_gold_doc_is_rendered_and_read_back() -> None:
    assert WordsFormat().format_text(gold()).startswith("`Call` `Ida` `Holm` `on`")
    assert json.loads(render("words", gold())) == {"tags": PAIRS}
    assert read("words", render("words", gold())) == (ENTS, [])


@pytest.mark.parametrize(
    "value",
    [
        PAIRS,
        {"tags": TAGS},
        TAGS,
        [{"token": word, "tag": tag} for word, tag in PAIRS],
        [{"word": f"`{word}`", "tag": tag} for word, tag in PAIRS],
    ],
)
def test_other_shapes_are_taken(value: object) -> None:
    assert read("words", json.dumps(value)) == (ENTS, [])


def test_words_may_be_the_keys_even_when_one_stands_twice() -> None:
    members = ", ".join(f'"{word}": "{tag}"' for word, tag in PAIRS)
    assert read("words", f"{{{members}}}") == (ENTS, [])


def test_words_that_were_left_out_joined_or_changed_do_not_shift_the_tags() -> None:
    pairs = [["Call", "O"], ["Ida", "B-NAME"], ["Holm", "I-NAME"], ["Fri", "B-DATE"], [",", "O"], ["or", "O"]]
    pairs += [["Ida on", "O"], ["5 May", "B-DATE"], [".", "O"]]
    ents, problems = read("words", json.dumps(pairs))
    assert ents == [("Ida Holm", "NAME"), ("Friday", "DATE"), ("5 May", "DATE")]
    assert problems == ["other words than the text (repaired)", "cut token (repaired)"]


def test_labels_in_place_of_tags_are_joined_to_entities() -> None:
    tags = [tag[2:] or "O" for tag in TAGS]
    ents, problems = read("words", json.dumps(tags))
    assert ents == ENTS
    assert problems == ["label for tag (repaired)"] * 5


def test_tags_that_are_none_are_rejected_and_others_repaired() -> None:
    tags = ["[CLS]", "I-NAME", "I-NAME", *TAGS[3:-1], "[SEP]"]
    ents, problems = read("words", json.dumps(tags))
    assert ents == ENTS
    assert problems == ["unknown tag (rejected)", "I- without B- (repaired)", "unknown tag (rejected)"]


def test_an_o_ends_an_entity() -> None:
    text = "Ida , Holm"
    assert read("words", '["B-NAME", "O", "I-NAME"]', text)[0] == [("Ida", "NAME"), ("Holm", "NAME")]


def test_white_space_is_no_word() -> None:
    text = "Ida  Holm\n\nFriday"
    doc = gold(text, [("Friday", "DATE")])
    assert WordsFormat().format_text(doc) == "`Ida` `Holm` `Friday`"
    assert read("words", render("words", doc), text) == ([("Friday", "DATE")], [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([["Wake", "O"], ["Tomas", "B-NAME"], ["at", "O"], ["noon", "B-TIME"]], "another text"),
        (TAGS[:-1], "wrong number of tags"),
        ([], "another text"),
        ([["Call"], ["Ida"]], "another shape"),
        ([[1, 2, 3]], "another shape"),
    ],
)
def test_what_cannot_be_matched_is_rejected(value: object, reason: str) -> None:
    with pytest.raises(RejectedReplyError, match=reason):
        read("words", json.dumps(value))


def test_a_list_that_was_cut_off_is_rejected() -> None:
    with pytest.raises(RejectedReplyError, match="cut off"):
        read("words", json.dumps(PAIRS)[:-12])
    assert TEXT.endswith(".")
