"""A tiny base with a chat template."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.llm.bases import build_chat_llama


@pytest.fixture(scope="session")
def chat_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny random Llama with a chat template."""
    return build_chat_llama(tmp_path_factory.mktemp("chat-llama"))
