from __future__ import annotations

from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.base import BaseModelError, check, check_decoder
from spacy_llama_ner.base.check import DECODERS

from .samples import write_base


@pytest.mark.parametrize("kind", DECODERS)
def test_decoders_with_the_llama_layout_are_accepted(tmp_path: Path, kind: str) -> None:
    check_decoder(write_base(tmp_path, model_type=kind))


@pytest.mark.parametrize("kind", DECODERS)
def test_transformers_knows_what_is_accepted(kind: str) -> None:
    from transformers import CONFIG_MAPPING

    assert kind in CONFIG_MAPPING


def test_folder_that_transformers_wrote_is_accepted(tiny_llama: Path) -> None:
    check_decoder(tiny_llama)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "roberta"}, "a roberta, which is an encoder"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "a t5, which is an encoder-decoder"),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}, "multimodal"),
        (
            {"model_type": "gpt2"},
            "is a gpt2. Expected is a decoder with the Llama layout.* llama, mistral, qwen2",
        ),
        ({"model_type": None}, "does not say its `model_type`"),
        ({"auto_map": {"AutoModel": "modeling.Mine"}}, "Python code of its own"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"quantized \(gptq\)"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tmp_path: Path, config: dict, said: str) -> None:
    with pytest.raises(BaseModelError, match=said):
        check_decoder(write_base(tmp_path, **config))


@pytest.mark.parametrize(("file", "said"), [("config.json", "is not a base"), ("tokenizer.json", "fast tokenizer")])
def test_missing_file_is_named(tmp_path: Path, file: str, said: str) -> None:
    (write_base(tmp_path) / file).unlink()
    with pytest.raises(BaseModelError, match=rf"has no {file}.*{said}"):
        check_decoder(tmp_path)


@pytest.mark.parametrize(("content", "said"), [("{", "not valid JSON"), ("[]", "no JSON object")])
def test_damaged_config_is_named(tmp_path: Path, content: str, said: str) -> None:
    (write_base(tmp_path) / "config.json").write_text(content)
    with pytest.raises(BaseModelError, match=said):
        check_decoder(tmp_path)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    weights = write_base(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BaseModelError, match="is damaged"):
        check_decoder(tmp_path)


def test_rotary_positions_that_an_old_transformers_would_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_base(tmp_path, rope_parameters={"rope_type": "default", "rope_theta": 50_000.0})
    monkeypatch.setattr(check, "version", lambda package: "5.23.0")
    check_decoder(tmp_path)
    monkeypatch.setattr(check, "version", lambda package: "4.53.2")
    with pytest.raises(BaseModelError, match="read its positions wrongly"):
        check_decoder(tmp_path)
    srsly.write_json(tmp_path / "config.json", {"model_type": "llama", "rope_theta": 50_000.0})
    check_decoder(tmp_path)
