from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from spacy_llama_ner.base import BaseModelError, check_decoder, fingerprint
from spacy_llama_ner.base import convert as module
from spacy_llama_ner.base.convert import convert, converted_folder, is_converted

from .samples import write_gguf

# what every supported version of transformers has to make of the same file
FINGERPRINT = "b6c022a13b563de3503e1a8e56578ab00351b0f1b8e1c9d4bb88dfa287df726b"


@pytest.fixture(scope="module")
def folder(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(gguf, tmp_path_factory.mktemp("converted") / "base", source={"file": "tiny.gguf"})


def test_result_is_a_base(folder: Path) -> None:
    check_decoder(folder)
    assert is_converted(folder)
    assert {file.name for file in folder.iterdir()} >= {"config.json", "tokenizer.json", "model.safetensors"}
    assert json.loads((folder / "source.json").read_text()) == {"file": "tiny.gguf"}


def test_same_fingerprint_from_every_version_of_transformers(folder: Path, cache: Path) -> None:
    assert fingerprint(folder) == FINGERPRINT


def test_weights_and_positions_are_the_files_own(folder: Path) -> None:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    values = (torch.arange(model.config.vocab_size * 32) * 7919 % 251 - 125) / 128
    assert torch.equal(model.embed_tokens.weight.detach().float().flatten(), values)
    # the first pair of four turns at 1, the second at theta ** -0.25
    assert model.rotary_emb.inv_freq[:2].tolist() == pytest.approx([1.0, 50_000.0**-0.25])


def test_weights_are_bfloat16_in_one_file(folder: Path) -> None:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_others_can_read_what_the_users_mask_lets_them(folder: Path) -> None:
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode


def test_place_depends_on_content_alone(cache: Path) -> None:
    assert converted_folder("ab" * 32).parent == cache / "bases"
    assert converted_folder("ab" * 32) != converted_folder("ac" * 32)


def test_folder_without_source_is_not_trusted(tiny_llama: Path) -> None:
    check_decoder(tiny_llama)
    assert not is_converted(tiny_llama)


def test_file_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    # Qwen 2 has biases, which the sample has not
    with pytest.raises(BaseModelError, match=r"lacks 3 weights of its own architecture.*k_proj\.bias"):
        convert(write_gguf(tmp_path / "tiny.gguf", architecture="qwen2"), tmp_path / "base", source={})


def test_what_transformers_cannot_read_is_named(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gguf: Path) -> None:
        raise KeyError("rope")

    monkeypatch.setattr(module, "_load", fail)
    with pytest.raises(BaseModelError, match=r"tiny\.gguf could not be converted by transformers \d.*rope"):
        convert(gguf, tmp_path / "base", source={})
