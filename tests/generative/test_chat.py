"""How questions are framed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.generative.chat import ChatForm, Frame, system_prompt

from ..annotate.bases import STRICT, TEMPLATE, build_chat_llama


def frame_of(base: Path) -> tuple[str, str, str]:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    frame: Frame = ChatForm.find(base, "tiny").frame(tokenizer, "Be brief.")
    before, after, end = (tokenizer.decode(ids, skip_special_tokens=False) for ids in (*frame[:2], [frame.end]))
    return before, after, end


def test_a_question_stands_in_the_chat_template(chat_llama: Path) -> None:
    assert frame_of(chat_llama) == ("system: Be brief.</s>user: ", "</s>assistant: ", "</s>")


def test_a_template_without_a_system_turn_has_it_in_front_of_the_text(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path, template=STRICT)
    assert frame_of(base)[0] == "user: Be brief.\n\n"


def test_it_comes_back_from_what_a_pipeline_saves(chat_llama: Path) -> None:
    form = ChatForm.find(chat_llama, "tiny")
    assert ChatForm(**form.to_spec()) == form


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", "has no chat template"),
        ("{{ messages[0]['content'] }}", "does not hand on a text"),
        (TEMPLATE.replace("message['content']", "message['content'] | upper"), "does not hand on a text"),
        ("{{ raise_exception('never') }}", "does not take the question: never"),
    ],
)
def test_a_base_that_cannot_be_asked_is_refused(tmp_path: Path, template: str, told: str) -> None:
    base = build_chat_llama(tmp_path, template=template)
    with pytest.raises(BaseModelError, match=told):
        frame_of(base)


def test_labels_are_listed_with_what_they_mean() -> None:
    assert system_prompt("Find them.", {"NAME": "a person", "DATE": ""}) == (
        "Find them.\nLabels:\n- NAME: a person\n- DATE"
    )
