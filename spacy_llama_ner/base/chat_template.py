"""The chat template of a base: how a question is put so that the base answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import BaseModelError

GENERATION_CONFIG = "generation_config.json"
Turn = tuple[str, str]


def load_chat_tokenizer(folder: Path, base: str) -> Any:
    """The tokenizer of transformers in `folder`, with the base's chat template.

    base: its name, for the message. Raises BaseModelError where it has no template.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise BaseModelError(
            f"The base {base!r} has no chat template, so it was not tuned to answer. Expected is one in "
            f"{folder / 'tokenizer_config.json'} or chat_template.jinja beside it; name a base tuned for chats, such "
            "as smollm2-135m."
        )
    return tokenizer


def end_ids(folder: Path, tokenizer: Any) -> list[int]:
    """The subwords that end a reply, by the base's own files. Raises BaseModelError where it names none."""
    found: list[int] = []
    for name in (GENERATION_CONFIG, "config.json"):
        path = folder / name
        said = json.loads(path.read_text(encoding="utf8")).get("eos_token_id") if path.is_file() else None
        if said is not None:
            found = [said] if isinstance(said, int) else list(said)
            break
    ends = list(dict.fromkeys([*found, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])]))
    if not ends:
        raise BaseModelError("The base names no subword that ends a reply (eos_token). Name a base tuned for chats.")
    return ends


def in_template(tokenizer: Any, turns: Sequence[Turn], *, to_be_answered: bool = True) -> str:
    """A chat in the words of the template, up to where the reply begins.

    turns: role ("system", "user", "assistant") and content of each. Where the template takes no system turn, as
        Gemma's, its content goes in front of the turn behind it.
    to_be_answered: whether the beginning of a reply is put behind the last turn.

    Raises jinja2's TemplateError where the template does not take the chat even so.
    """
    from jinja2 import TemplateError

    try:
        return _apply(tokenizer, turns, to_be_answered)
    except TemplateError:
        return _apply(tokenizer, _without_system(turns), to_be_answered)


def _apply(tokenizer: Any, turns: Sequence[Turn], to_be_answered: bool) -> str:
    said = [{"role": role, "content": content} for role, content in turns]
    text: str = tokenizer.apply_chat_template(said, add_generation_prompt=to_be_answered, tokenize=False)
    return text


def _without_system(turns: Sequence[Turn]) -> Sequence[Turn]:
    match turns:
        case [("system", said), (role, asked), *others]:
            return [(role, f"{said}\n\n{asked}"), *others]
    return turns
