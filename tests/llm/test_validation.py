"""Written texts are parsed and checked: near-duplicates and what would do harm are rejected."""

from __future__ import annotations

import json
import re

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.validation import NearDuplicates, TextValidator, read_list


def test_the_same_words_are_the_same_text() -> None:
    known = NearDuplicates()
    known.add("Call Ida on Friday, please!")
    assert known.find("please call IDA on Friday") == "Call Ida on Friday, please!"
    assert known.find("Call Tomas on Friday, please!") == "Call Ida on Friday, please!"
    assert known.find("Will it rain on Friday?") is None
    assert known.find("") is None
    known.add("?!")
    assert (known.find(" ?! "), known.find("!!")) == ("?!", None)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="abcdef ", min_size=1, max_size=14), max_size=12), st.sampled_from([0.4, 0.6, 0.9]))
def test_comparing_each_with_each_finds_the_same(texts: list[str], threshold: float) -> None:
    known = NearDuplicates(threshold)

    def words(text: str) -> set[str]:
        return set(re.findall(r"\w+", text)) or {text.strip()}

    seen: list[str] = []
    for text in texts:
        alike = [o for o in seen if len(words(text) & words(o)) >= threshold * len(words(text) | words(o))]
        assert known.find(text) == next(iter(alike), None)
        known.add(text)
        seen.append(text)


LABELS = ["NAME", "DATE"]


def check(*texts: object, with_entities: bool = True) -> list[tuple[str, list[tuple[str, str]]]]:
    """Texts and entities of what is good. Raises: Reject for the first that is not."""
    validator = TextValidator(spacy.blank("en"), LABELS)
    docs = [validator.validate(text, with_entities=with_entities) for text in texts]
    return [(doc.text, [(ent.text, ent.label_) for ent in doc.ents]) for doc in docs]


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"texts": ["one", "two"]}),
        json.dumps(["one", "two"]),
        "Here you are:\n```json\n['one', 'two',]\n```",
        '{"texts": ["one", "two", "thr',
        "1. one\n2) two\n",
        "Sure!\n\n- one\n- two\n\nI hope you like them.",
    ],
)
def test_a_list_is_found_in_a_reply(reply: str) -> None:
    assert read_list(reply) == ["one", "two"]


@pytest.mark.parametrize("reply", ["", "I cannot write such texts.", '{"texts": []}', '{"texts": "one"}'])
def test_a_reply_without_a_list_is_rejected(reply: str) -> None:
    with pytest.raises(RejectedReplyError, match="no list of texts"):
        read_list(reply)


def test_marks_and_records_are_read() -> None:
    marked = " Shall I see [May](name), who may come on [Friday](DATE)?\n"
    text = "Shall I see May, who may come on Friday?"
    assert check(marked) == [(text, [("May", "NAME"), ("Friday", "DATE")])]
    record = {"text": "Call Ida Holm.", "entities": [{"text": "Ida Holm", "label": "NAME"}]}
    requests = {"text": "Call Ida Holm now.", "labels": [["Ida", "B-NAME"], ["Holm", "I-NAME"]]}
    assert check(record)[0] == ("Call Ida Holm.", [("Ida Holm", "NAME")])
    assert check(requests)[0] == ("Call Ida Holm now.", [("Ida Holm", "NAME")])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", "empty text"),
        ("[Ida](NAME) " + "and on " * 800, "text too long"),
        ("Call [Ida](PERSON).", "label not allowed"),
        ("Call [Ida(NAME).", "half a mark"),
        ("Call [Ida](NAME.", "half a mark"),
        ("Call [NAME] on [Friday](DATE).", "label in place of an entity"),
        ("Call Ida.", "no entity where some were asked for"),
        ("Call [[Ida](NAME) Holm](NAME).", "overlap"),
        ("Call [Ida](NAME), yes, Ida!", "entity marked once and not again"),
        (["Call", "Ida"], "no list of texts"),
        (None, "no list of texts"),
        ({"text": "Call Ida."}, "unusable record"),
        ({"text": "Call Ida.", "entities": [{"text": "Tomas", "label": "NAME"}]}, "piece not in text"),
        ({"text": "Call \ud800", "entities": []}, "unusable record"),
        ("Call \ud800 [Ida](NAME)", "not Unicode"),
    ],
)
def test_what_would_do_harm_is_rejected(text: object, reason: str) -> None:
    with pytest.raises(RejectedReplyError, match=reason):
        check(text)


def test_a_text_without_entities_is_good_where_none_were_asked_for() -> None:
    assert check("Will it rain?", with_entities=False) == [("Will it rain?", [])]


def test_the_second_of_two_that_are_nearly_the_same_is_rejected() -> None:
    with pytest.raises(RejectedReplyError, match="near-duplicate: 'Call Ida on Friday, please.'"):
        check("Call [Ida](NAME) on [Friday](DATE), please.", "Call [Ola](NAME) on [Friday](DATE), please!")


def test_what_was_rejected_is_not_remembered() -> None:
    validator = TextValidator(spacy.blank("en"), LABELS)
    with pytest.raises(RejectedReplyError):
        validator.validate("Call Ida on Friday.", with_entities=True)
    assert validator.validate("Call [Ida](NAME) on Friday.", with_entities=True).text == "Call Ida on Friday."
