"""A tiny base that can be chatted with."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import build_tiny_llama

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


# refuses what is not asked and answered in turn, as some do
STRICT = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}" + TEMPLATE
)


def build_chat_llama(folder: Path, *, template: str = TEMPLATE, **config: object) -> Path:
    """Write a tiny random Llama with a chat template to `folder`; its output layer is that of its input."""
    build_tiny_llama(folder, tie_word_embeddings=True, **config)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps({**settings, "chat_template": template}), encoding="utf8")
    return folder
