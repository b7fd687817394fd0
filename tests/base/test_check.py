"""Only bases that can be used pass the check, and a fingerprint is that of the content alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.base import BaseModelError, check, check_decoder
from spacy_llama_ner.base.check import (
    DECODER,
    ENCODER,
    KINDS,
    MODEL_TYPES_WITH_POOLER,
    OTHER_ENCODERS,
    SAFE_WEIGHTS_INDEX,
    check_base,
    check_safetensors,
    fingerprint,
    weight_files,
)
from tests.base.samples import write_base, write_safetensors


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


def test_another_model_type_is_refused_and_all_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        BaseModelError, match=r"is a gpt2\. Expected is a decoder .* llama.*; or an encoder .* bert, "
    ):
        check_base(write_base(tmp_path, model_type="gpt2"))


@pytest.mark.parametrize("kind", [*DECODER.model_types, *ENCODER.model_types])
def test_transformers_knows_every_model_type(kind: str) -> None:
    from transformers import CONFIG_MAPPING

    assert kind in CONFIG_MAPPING


def test_a_model_type_is_of_one_kind() -> None:
    named = [name for kind in KINDS for name in kind.model_types] + list(OTHER_ENCODERS)
    assert len(named) == len(set(named))
    assert set(MODEL_TYPES_WITH_POOLER) <= set(ENCODER.model_types)


def test_folder_that_transformers_wrote_is_accepted(tiny_llama: Path) -> None:
    check_decoder(tiny_llama)


@pytest.mark.parametrize(
    ("config", "message"),
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
def test_a_base_that_cannot_be_tuned_is_refused(tmp_path: Path, config: dict, message: str) -> None:
    with pytest.raises(BaseModelError, match=message):
        check_decoder(write_base(tmp_path, **config))


def test_a_tokenizer_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (write_base(tmp_path) / "tokenizer.json").write_text('{"model": {"vocab"')
    with pytest.raises(BaseModelError, match=r"tokenizer.json is empty or cut off"):
        check_decoder(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"), [("config.json", "is not a base"), ("tokenizer.json", "fast tokenizer")]
)
def test_missing_file_is_named(tmp_path: Path, file: str, message: str) -> None:
    (write_base(tmp_path) / file).unlink()
    with pytest.raises(BaseModelError, match=rf"has no {file}.*{message}"):
        check_decoder(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("{", "not valid JSON"), ("[]", "not a JSON object")])
def test_damaged_config_is_named(tmp_path: Path, content: str, message: str) -> None:
    (write_base(tmp_path) / "config.json").write_text(content)
    with pytest.raises(BaseModelError, match=message):
        check_decoder(tmp_path)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    weights = write_base(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BaseModelError, match="is damaged"):
        check_decoder(tmp_path)


def test_rotary_positions_that_an_old_transformers_would_ignore_are_refused(
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


@pytest.fixture
def base(tmp_path: Path, cache: Path) -> Path:
    return write_base(tmp_path / "base")


def test_a_fingerprint_is_the_same_for_a_copy_elsewhere_with_other_time_stamps(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy", copy_function=shutil.copyfile)
    assert fingerprint(copy) == fingerprint(base)
    assert len(fingerprint(base)) == 64


def test_a_fingerprint_is_the_same_whoever_wrote_the_config(base: Path) -> None:
    before = fingerprint(base)
    config = {
        "hidden_size": 8,
        "model_type": "llama",
        "transformers_version": "5.0",
        "_name_or_path": "elsewhere",
    }
    srsly.write_json(base / "config.json", config)
    assert fingerprint(base) == before


def test_a_fingerprint_differs_with_the_config(base: Path) -> None:
    before = fingerprint(base)
    srsly.write_json(base / "config.json", {"hidden_size": 9, "model_type": "llama"})
    assert fingerprint(base) != before


def test_a_fingerprint_differs_with_one_bit_of_the_weights(base: Path) -> None:
    before = fingerprint(base)
    content = bytearray((base / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (base / "model.safetensors").write_bytes(content)
    assert fingerprint(base) != before


def test_a_fingerprint_covers_every_shard(base: Path) -> None:
    (base / "model.safetensors").unlink()
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in shards:
        write_safetensors(base / name, name)
    srsly.write_json(base / "model.safetensors.index.json", {"weight_map": {name: name for name in reversed(shards)}})
    before = fingerprint(base)
    write_safetensors(base / shards[1], "another")
    assert fingerprint(base) != before


def test_a_folder_without_weights_has_no_fingerprint(base: Path) -> None:
    (base / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="holds no weights"):
        fingerprint(base)


def test_the_weights_are_one_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors")
    write_safetensors(tmp_path / "consolidated.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_the_weights_are_the_shards_that_the_index_names(tmp_path: Path) -> None:
    for name in ("b.safetensors", "a.safetensors"):
        write_safetensors(tmp_path / name)
    srsly.write_json(
        tmp_path / SAFE_WEIGHTS_INDEX,
        {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}},
    )
    assert [file.name for file in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]


def test_missing_shard_is_named(tmp_path: Path) -> None:
    srsly.write_json(tmp_path / SAFE_WEIGHTS_INDEX, {"weight_map": {"x": "gone.safetensors"}})
    with pytest.raises(BaseModelError, match=r"gone\.safetensors"):
        weight_files(tmp_path)


def test_index_cannot_point_out_of_the_folder(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors")
    (tmp_path / "base").mkdir()
    srsly.write_json(tmp_path / "base" / SAFE_WEIGHTS_INDEX, {"weight_map": {"x": "../model.safetensors"}})
    with pytest.raises(BaseModelError, match="lacks weights"):
        weight_files(tmp_path / "base")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}'])
def test_damaged_index_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / SAFE_WEIGHTS_INDEX).write_text(content)
    with pytest.raises(BaseModelError, match="is damaged"):
        weight_files(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("pytorch_model.bin", "as a pickle"),
        ("other.safetensors", r"found: other\.safetensors"),
        (None, "no weights"),
    ],
)
def test_without_safetensors_the_message_says_what_is_there(tmp_path: Path, file: str | None, message: str) -> None:
    if file:
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(BaseModelError, match=message):
        weight_files(tmp_path)


def test_a_whole_safetensors_file_passes(tmp_path: Path) -> None:
    check_safetensors(write_safetensors(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("size", [0, 4, 8, 20, 90, -1])
def test_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    path = write_safetensors(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BaseModelError, match="is damaged"):
        check_safetensors(path)


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]", b"\x08" + b"\0" * 7 + b'{"a": 1}'])
def test_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BaseModelError, match="is damaged"):
        check_safetensors(tmp_path / "model.safetensors")
