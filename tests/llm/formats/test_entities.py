"""A list of entities in JSON."""

from __future__ import annotations

import json

import pytest

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.formats import EntitiesFormat
from tests.llm.formats.check import ENTS, LABELS, TEXT, gold, read, render

LIST = [{"text": text, "label": label} for text, label in ENTS]


def test_a_gold_doc_is_rendered_and_read_back() -> None:
    assert json.loads(render("entities", gold())) == {"entities": LIST}
    assert read("entities", render("entities", gold())) == (ENTS, [])
    assert read("entities", '{"entities": []}') == ([], [])


@pytest.mark.parametrize(
    "value",
    [
        LIST,
        {"text": TEXT, "entities": LIST},
        {"ents": [{"entity": text, "type": label} for text, label in ENTS]},
        [[text, label] for text, label in ENTS],
        {"NAME": ["Ida Holm"], "DATE": ["Friday", "5 May"], "TIME": []},
        {"entities": {"NAME": "Ida Holm", "DATE": ["Friday", "5 May"], "TIME": None}},
        dict(ENTS),
    ],
)
def test_other_shapes_are_taken(value: object) -> None:
    assert read("entities", json.dumps(value)) == (ENTS, [])


def test_one_entity_may_come_without_a_list() -> None:
    assert read("entities", json.dumps(LIST[0])) == (ENTS[:1], [])


def test_a_word_that_is_listed_twice_is_marked_twice() -> None:
    both = '[{"text": "Ida", "label": "NAME"}, {"text": "Ida", "label": "NAME"}]'
    assert read("entities", both) == ([("Ida", "NAME"), ("Ida", "NAME")], [])


def test_what_is_no_entity_is_left_out() -> None:
    reply = json.dumps([*LIST, {"text": "Ida"}, {"label": "NAME"}, None, "Ida", {"text": [], "label": "NAME"}])
    assert read("entities", reply) == (ENTS, ["unusable entity (repaired)"] * 5)


@pytest.mark.parametrize(
    "value",
    [
        [{"text": "Tomas", "label": "NAME"}],
        [{"text": "Tomas", "label": "NAME"}, {"text": "noon", "label": "TIME"}, {"text": "Ida", "label": "NAME"}],
        {"text": "Wake Tomas at noon!", "entities": [{"text": "Ida", "label": "NAME"}]},
    ],
)
def test_a_reply_about_another_text_is_rejected(value: object) -> None:
    with pytest.raises(RejectedReplyError, match="another text"):
        read("entities", json.dumps(value))


def test_one_entity_too_many_is_only_left_out() -> None:
    reply = json.dumps([*LIST, {"text": "Tomas", "label": "NAME"}])
    assert read("entities", reply) == (ENTS, ["piece not in text (rejected)"])


@pytest.mark.parametrize("reply", ['{"answer": "none", "n": 3}', '{"entities": "none"}'])
def test_json_of_another_shape_is_rejected(reply: str) -> None:
    with pytest.raises(RejectedReplyError, match="another shape"):
        read("entities", reply)


def test_a_list_that_was_cut_off_is_rejected_since_entities_are_missing() -> None:
    with pytest.raises(RejectedReplyError, match="cut off"):
        read("entities", json.dumps(LIST)[:-10], cut=True)


def test_the_schema_allows_the_labels_alone() -> None:
    schema = EntitiesFormat().schema(LABELS)
    entity = schema["properties"]["entities"]["items"]
    assert entity["properties"]["label"]["enum"] == list(LABELS)
    assert entity["required"] == ["text", "label"]
