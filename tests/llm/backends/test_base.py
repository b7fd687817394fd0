"""What makes two questions the same."""

from __future__ import annotations

from dataclasses import replace

from spacy_llama_ner.llm.backends.base import Message, Question

QUESTION = Question((Message("system", "Tag names."), Message("user", "Ada waved.")), None, 100, "Ada waved.")


def test_model_prompt_and_text_make_the_key() -> None:
    others = [
        replace(QUESTION, text="Ada waved. "),
        replace(QUESTION, messages=QUESTION.messages[1:]),
        replace(QUESTION, messages=(Message("user", "Tag names."), QUESTION.messages[1])),
    ]
    keys = [question.key("m") for question in [QUESTION, *others]] + [QUESTION.key("m2")]
    assert len(set(keys)) == 5
    assert all(len(key) == 64 for key in keys)


def test_what_only_bounds_the_reply_does_not() -> None:
    changed = replace(QUESTION, schema={"type": "object"}, max_tokens=7, temperature=1.0)
    assert changed.key("m") == QUESTION.key("m")


def test_the_key_is_the_same_tomorrow() -> None:
    # replies that were paid for are found by it
    assert QUESTION.key("m") == "15e5205e0db075a6fb752e35152b3f0e6a8c5301c0fda57f3c1919229bae64be"
