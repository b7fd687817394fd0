"""JSON is found in what models say, and what is not complete is not taken for complete."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.llm.backends.base import RejectedReplyError
from spacy_llama_ner.llm.formats.lenient_json import LenientJSONReader, ParsedJSON, read_json

ENTITY = {"text": "Ada", "label": "PERSON"}
STRICT = json.dumps({"entities": [ENTITY]})


@pytest.mark.parametrize(
    "reply",
    [
        STRICT,
        f"\n\n{STRICT}\n",
        f"```json\n{STRICT}\n```",
        f"Here it is:\n```\n{STRICT}\n```\nI hope that helps!",
        f"Sure [as you asked]: {STRICT} (see {{above}})",
        f"<think>An empty list? [] No.</think>\n{STRICT}",
        '{"entities": [{"text": "Ada", "label": "PERSON",},],}',
        "{'entities': [{'text': 'Ada', 'label': 'PERSON'}]}",
        "{“entities”: [{“text”: “Ada”, “label”: “PERSON”}]}",
        "{entities: [{text: Ada, label: PERSON}]}",
        '{"entities": [\n  // the only one\n  {"text": "Ada", /* a name */ "label": "PERSON"}\n]}',
        '{"entities": [{"text": "Ada"\n"label": "PERSON"}]}',
    ],
)
def test_it_is_found_and_forgiven(reply: str) -> None:
    assert read_json(reply) == ParsedJSON({"entities": [ENTITY]})


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("[{'text': 'O'Brien', 'label': 'PERSON'}]", [{"text": "O'Brien", "label": "PERSON"}]),
        ('[{"text": "the "old" mill"}]', [{"text": 'the "old" mill'}]),
        ("{'a': None, 'b': True, 'c': 7, 'd': Ada Lovelace}", {"a": None, "b": True, "c": 7, "d": "Ada Lovelace"}),
        (r"{'a': 'tab\tquote\' é 😀'}", {"a": "tab\tquote' é 😀"}),
        ("[1, 2,, 3]", [1, 2, 3]),
        ('{"a": 1, "a": 2}', [["a", 1], ["a", 2]]),
    ],
)
def test_other_liberties(reply: str, value: object) -> None:
    assert read_json(reply).value == value


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ('{"entities": [{"text": "Ada", "label": "PERSON"}, {"text": "Lo', {"entities": [ENTITY]}),
        ('{"entities": [{"text": "Ada", "label": "PERSON"}', {"entities": [ENTITY]}),
        ('{"texts": ["one", "two", "thr', {"texts": ["one", "two"]}),
        ('[["Ada", "B-PERSON"], ["waved", "O"], ["to"', [["Ada", "B-PERSON"], ["waved", "O"]]),
        ('[{"text": "x", "labels": []}, {"text": "y", "labels": [["y", ', [{"text": "x", "labels": []}]),
    ],
)
def test_of_a_reply_that_was_cut_off_only_what_is_complete_is_left(reply: str, value: object) -> None:
    assert read_json(reply) == ParsedJSON(value, is_complete=False)


@pytest.mark.parametrize("reply", ["", "There are no entities.", "PERSON: Ada", "}", "42", '"Ada"'])
def test_where_there_is_none_the_reply_is_rejected(reply: str) -> None:
    with pytest.raises(RejectedReplyError, match="no JSON"):
        read_json(reply)


def test_deep_nesting_is_no_way_to_break_it() -> None:
    for sign in "[{":
        with pytest.raises(RejectedReplyError, match="no JSON"):
            read_json(sign * 100_000)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(VALUES)
def test_the_loose_reader_reads_strict_json_as_it_is(value: Any) -> None:
    said = json.dumps([value])
    reader = LenientJSONReader(said)
    assert (reader.value(), reader.is_complete, reader.at) == ([value], True, len(said))


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet="[]{}\"':, \\\nabu0"))
def test_nothing_makes_it_fail_in_another_way(text: str) -> None:
    with suppress(RejectedReplyError):
        assert isinstance(read_json("[" + text).value, list | dict)
