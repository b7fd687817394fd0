"""The chat template of a base: how messages are written so that the base replies, and where its reply ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .check import CONFIG
from .errors import BaseModelError

GENERATION_CONFIG = "generation_config.json"
# role ("system", "user", "assistant") and content
Turn = tuple[str, str]


def load_chat_tokenizer(folder: Path, name: str) -> Any:
    """Load the transformers tokenizer of a base that has a chat template.

    Args:
        folder: The folder of the base.
        name: The name of the base, for messages.

    Raises:
        BaseModelError: If it has no chat template.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.chat_template:
        raise BaseModelError(
            f"The base {name!r} has no chat template, so it was not tuned to answer. Expected is one in "
            f"{folder / 'tokenizer_config.json'} or chat_template.jinja beside it; name a base tuned for chats, such "
            "as smollm2-135m."
        )
    return tokenizer


def end_token_ids(folder: Path, tokenizer: Any) -> list[int]:
    """Return the ids of the subwords that end a reply.

    Args:
        folder: The folder of the base, whose generation config, or else config, names some.
        tokenizer: Its tokenizer, whose own end token comes last.

    Raises:
        BaseModelError: If none of these names any.
    """
    found: list[int] = []
    for name in (GENERATION_CONFIG, CONFIG):
        path = folder / name
        ids = json.loads(path.read_text(encoding="utf8")).get("eos_token_id") if path.is_file() else None
        if ids is not None:
            found = [ids] if isinstance(ids, int) else list(ids)
            break
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    if not found:
        raise BaseModelError("The base names no subword that ends a reply (eos_token). Name a base tuned for chats.")
    return list(dict.fromkeys(found))


def apply_template(tokenizer: Any, turns: Sequence[Turn], *, add_generation_prompt: bool = True) -> str:
    """Write a chat as the template of a base has it.

    Args:
        tokenizer: The tokenizer of the base.
        turns: The chat. If the template takes no system turn, as Gemma's, its content is put in front of the next
            turn.
        add_generation_prompt: Whether to add the beginning of a reply after the last turn.

    Returns:
        The text, special tokens included.

    Raises:
        jinja2.TemplateError: If the template does not take the chat even so.
    """
    from jinja2 import TemplateError

    def apply(turns: Sequence[Turn]) -> str:
        messages = [{"role": role, "content": content} for role, content in turns]
        text: str = tokenizer.apply_chat_template(
            messages, add_generation_prompt=add_generation_prompt, tokenize=False
        )
        return text

    try:
        return apply(turns)
    except TemplateError:
        return apply(_without_system(turns))


def _without_system(turns: Sequence[Turn]) -> Sequence[Turn]:
    match turns:
        case [("system", instructions), (role, content), *others]:
            return [(role, f"{instructions}\n\n{content}"), *others]
    return turns
