from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacy_llama_ner.base.gguf_file import open_gguf
from spacy_llama_ner.base.gguf_tokenizer import write_tokenizer

from .samples import write_gguf


def tokens(folder: Path, text: str) -> list[str]:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(folder)
    return fast.convert_ids_to_tokens(fast(text)["input_ids"])


@pytest.fixture
def folder(gguf: Path, tmp_path: Path) -> Path:
    write_tokenizer(open_gguf(gguf), gguf, tmp_path)
    return tmp_path


def test_words_keep_their_space_and_nothing_is_put_before_them(folder: Path) -> None:
    assert tokens(folder, "EU red") == ["EU", "Ġre", "d"]


def test_special_tokens_are_named_and_recognised(folder: Path) -> None:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(folder)
    assert (fast.bos_token, fast.eos_token) == ("<|start|>", "<|end|>")
    assert fast("<|start|>EU")["input_ids"][0] == 1
    assert fast.decode(fast("<|start|>EU red")["input_ids"], skip_special_tokens=True) == "EU red"


def test_offsets_are_of_characters(folder: Path) -> None:
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("é EU")
    assert encoding.tokens[-2:] == ["Ġ", "EU"]
    assert encoding.offsets[-1] == (2, 4)


@pytest.mark.parametrize(
    ("pre", "steps"),
    [
        ("smollm", ["Digits", "ByteLevel"]),
        ("llama-bpe", ["Split", "ByteLevel"]),
        ("qwen2", ["Split", "ByteLevel"]),
        ("gpt-2", ["ByteLevel"]),
    ],
)
def test_text_is_split_as_the_model_was_trained(tmp_path: Path, pre: str, steps: list[str]) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", pre=pre)
    write_tokenizer(open_gguf(gguf), gguf, tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf8"))
    split = content["pre_tokenizer"]
    assert [step["type"] for step in split.get("pretokenizers", [split])] == steps
    assert content["model"]["ignore_merges"] is (pre == "llama-bpe")
    # two spaces before a digit: whether they stay together is what digits of their own decide
    spaces = ["ĠĠ"] if pre == "smollm" else ["Ġ", "Ġ"]
    assert tokens(tmp_path, "EU  7") == ["EU", *spaces, "7"]


def test_start_mark_where_the_file_asks_for_it(tmp_path: Path) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", add_bos=True)
    write_tokenizer(open_gguf(gguf), gguf, tmp_path)
    assert tokens(tmp_path, "EU") == ["<|start|>", "EU"]
