from __future__ import annotations

from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.base import BaseModelError, check, check_decoder
from spacy_llama_ner.base.check import check_base
from spacy_llama_ner.base.kinds import DECODER, ENCODER, KINDS, OTHER_ENCODERS, WITH_POOLER

from .samples import write_base


@pytest.mark.parametrize("kind", DECODER.model_types)
def test_decoders_with_the_llama_layout_are_accepted(tmp_path: Path, kind: str) -> None:
    check_decoder(write_base(tmp_path, model_type=kind))


@pytest.mark.parametrize("kind", ENCODER.model_types)
def test_encoders_of_the_bert_family_are_another_kind(tmp_path: Path, kind: str) -> None:
    folder = write_base(tmp_path, model_type=kind)
    check_base(folder, ENCODER)
    check_base(folder)
    with pytest.raises(BaseModelError, match=f"is a {kind}, which is an encoder"):
        check_decoder(folder)


def test_what_no_kind_has_is_refused_with_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(
        BaseModelError, match=r"is a gpt2\. Expected is a decoder .* llama.*; or an encoder .* bert, "
    ):
        check_base(write_base(tmp_path, model_type="gpt2"))


@pytest.mark.parametrize("kind", [*DECODER.model_types, *ENCODER.model_types])
def test_transformers_knows_what_is_accepted(kind: str) -> None:
    from transformers import CONFIG_MAPPING

    assert kind in CONFIG_MAPPING


def test_a_model_type_is_of_one_kind() -> None:
    named = [name for kind in KINDS for name in kind.model_types] + list(OTHER_ENCODERS)
    assert len(named) == len(set(named))
    assert set(WITH_POOLER) <= set(ENCODER.model_types)


def test_folder_that_transformers_wrote_is_accepted(tiny_llama: Path) -> None:
    check_decoder(tiny_llama)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "roberta"}, "a roberta, which is an encoder of the BERT family: use .*TransformerEncoder.v1"),
        ({"model_type": "deberta-v2"}, "an encoder: use it through spacy-transformers"),
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


def test_a_tokenizer_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (write_base(tmp_path) / "tokenizer.json").write_text('{"model": {"vocab"')
    with pytest.raises(BaseModelError, match=r"tokenizer.json is empty or cut off"):
        check_decoder(tmp_path)


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
