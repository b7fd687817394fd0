from __future__ import annotations

import sys
from pathlib import Path

import pytest

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.gguf_file import field, open_gguf

from .samples import write_gguf


def test_fields_are_plain_python(gguf: Path) -> None:
    reader = open_gguf(gguf)
    assert field(reader, "llama.block_count") == 1
    assert field(reader, "tokenizer.ggml.add_bos_token") is False
    assert field(reader, "tokenizer.ggml.tokens")[:2] == ["<|end|>", "<|start|>"]
    assert field(reader, "not.there") is None


@pytest.mark.parametrize("size", [0, 3, 100, 3000, -1000])
def test_truncated_file_is_refused(gguf: Path, tmp_path: Path, size: int) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(gguf.read_bytes()[:size])
    with pytest.raises(BaseModelError, match="not a whole GGUF file"):
        open_gguf(path)


def test_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="architecture 'bert'"):
        open_gguf(write_gguf(tmp_path / "bert.gguf", architecture="bert"))


def test_part_of_a_split_file_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "part.gguf", fields=[("split.count", 3)])
    with pytest.raises(BaseModelError, match="one part of 3"):
        open_gguf(path)


def test_missing_package_is_named(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match=r"spacy_llama_ner\[project\]"):
        open_gguf(gguf)
