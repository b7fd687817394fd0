"""Which backend a command's options name."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.llm.backends.local import LocalBackend
from spacy_llama_ner.llm.backends.openai import OpenAIBackend
from spacy_llama_ner.llm.backends.registry import backend_name, open_backend
from tests.llm.bases import build_chat_llama


@pytest.mark.parametrize(
    ("model", "base_url", "name"),
    [
        ("smollm2-135m", "local", "local:smollm2-135m"),
        ("local:smollm2-135m", "local", "local:smollm2-135m"),
        ("local:smollm2-135m", "http://127.0.0.1:9/v1", "local:smollm2-135m"),
        ("small", "http://127.0.0.1:9/v1", "small"),
        ("small", None, "small"),
    ],
)
def test_a_model_in_this_process_has_the_prefix_local(model: str, base_url: str | None, name: str) -> None:
    assert backend_name(model, base_url) == name


def test_the_address_decides_on_the_backend(tmp_path: Path) -> None:
    base = str(build_chat_llama(tmp_path / "base"))
    for model, base_url in ((base, "local"), (f"local:{base}", None)):
        backend = open_backend(model, base_url=base_url)
        assert isinstance(backend, LocalBackend)
        assert backend.model == backend_name(model, base_url)
    assert isinstance(open_backend("small", base_url="http://127.0.0.1:9/v1"), OpenAIBackend)
