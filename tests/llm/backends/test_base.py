"""What makes two requests the same."""

from __future__ import annotations

from dataclasses import replace

from spacy_llama_ner.llm.backends.base import ChatRequest, Message

REQUEST = ChatRequest((Message("system", "Tag names."), Message("user", "Ada waved.")), None, 100, "Ada waved.")


def test_model_prompt_and_text_make_the_key() -> None:
    others = [
        replace(REQUEST, text="Ada waved. "),
        replace(REQUEST, messages=REQUEST.messages[1:]),
        replace(REQUEST, messages=(Message("user", "Tag names."), REQUEST.messages[1])),
    ]
    keys = [request.key("m") for request in [REQUEST, *others]] + [REQUEST.key("m2")]
    assert len(set(keys)) == 5
    assert all(len(key) == 64 for key in keys)


def test_what_only_bounds_the_reply_does_not() -> None:
    changed = replace(REQUEST, schema={"type": "object"}, max_tokens=7, temperature=1.0)
    assert changed.key("m") == REQUEST.key("m")


def test_the_key_is_the_same_tomorrow() -> None:
    # replies that were paid for are found by it
    assert REQUEST.key("m") == "15e5205e0db075a6fb752e35152b3f0e6a8c5301c0fda57f3c1919229bae64be"
