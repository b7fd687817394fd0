"""How a chat is written for a base, and which subwords end a reply."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import srsly
from jinja2 import TemplateError

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.chat_template import apply_template, end_token_ids, load_chat_tokenizer

CHAT = [("system", "Be brief."), ("user", "Who?"), ("assistant", "Ada."), ("user", "Where?")]


def make_tokenizer(*, takes_system: bool = True, eos_token_id: int | None = None) -> Any:
    """Stand in for a tokenizer of transformers whose template puts each role in angle brackets."""

    def apply_chat_template(messages: list[dict[str, str]], *, add_generation_prompt: bool, tokenize: bool) -> str:
        assert not tokenize
        if not takes_system and any(message["role"] == "system" for message in messages):
            raise TemplateError("no system role")
        text = "".join(f"<{message['role']}>{message['content']}" for message in messages)
        return text + "<assistant>" * add_generation_prompt

    return SimpleNamespace(apply_chat_template=apply_chat_template, eos_token_id=eos_token_id)


def test_a_chat_ends_where_the_reply_begins() -> None:
    text = apply_template(make_tokenizer(), CHAT)
    assert text == "<system>Be brief.<user>Who?<assistant>Ada.<user>Where?<assistant>"
    assert apply_template(make_tokenizer(), CHAT[:3], add_generation_prompt=False).endswith("<assistant>Ada.")


def test_a_template_without_a_system_role_gets_it_in_the_next_turn() -> None:
    text = apply_template(make_tokenizer(takes_system=False), CHAT[:2])
    assert text == "<user>Be brief.\n\nWho?<assistant>"


def test_a_chat_that_the_template_does_not_take_is_an_error() -> None:
    with pytest.raises(TemplateError, match="no system role"):
        apply_template(make_tokenizer(takes_system=False), CHAT[:1])


@pytest.mark.parametrize(
    ("generation_config", "config", "eos_token_id", "ids"),
    [
        ({"eos_token_id": [5, 6]}, {"eos_token_id": 7}, 8, [5, 6, 8]),
        ({}, {"eos_token_id": 7}, 8, [7, 8]),
        (None, {"eos_token_id": 7}, 7, [7]),
        (None, {}, 8, [8]),
    ],
)
def test_replies_end_as_the_files_of_the_base_say(
    tmp_path: Path, generation_config: dict | None, config: dict, eos_token_id: int, ids: list[int]
) -> None:
    srsly.write_json(tmp_path / "config.json", config)
    if generation_config is not None:
        srsly.write_json(tmp_path / "generation_config.json", generation_config)
    assert end_token_ids(tmp_path, make_tokenizer(eos_token_id=eos_token_id)) == ids


def test_a_base_that_names_no_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="names no subword that ends a reply"):
        end_token_ids(tmp_path, make_tokenizer())


def test_a_base_without_a_chat_template_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(BaseModelError, match=r"The base 'tiny' has no chat template.* name a base tuned for chats"):
        load_chat_tokenizer(tiny_llama, "tiny")
