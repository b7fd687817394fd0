"""A GGUF file becomes the same base under every version of transformers: weights, config, positions, tokenizer."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from spacy_llama_ner.base import BaseModelError, check_decoder
from spacy_llama_ner.base import gguf as gguf_module
from spacy_llama_ner.base.check import fingerprint
from spacy_llama_ner.base.gguf import (
    convert_gguf,
    converted_folder,
    is_converted,
    llama3_scaling,
    open_gguf,
    portable_config,
    read_field,
    write_tokenizer,
)
from spacy_llama_ner.data.errors import MissingPackageError
from tests.base.samples import write_gguf

# what every supported version of transformers has to make of the same file
FINGERPRINT = "b6c022a13b563de3503e1a8e56578ab00351b0f1b8e1c9d4bb88dfa287df726b"


@pytest.fixture(scope="module")
def converted(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert_gguf(gguf, tmp_path_factory.mktemp("converted") / "base", source={"file": "tiny.gguf"})


def test_the_result_is_a_base(converted: Path) -> None:
    check_decoder(converted)
    assert is_converted(converted)
    assert {file.name for file in converted.iterdir()} >= {"config.json", "tokenizer.json", "model.safetensors"}
    assert json.loads((converted / "source.json").read_text()) == {"file": "tiny.gguf"}


def test_same_fingerprint_from_every_version_of_transformers(converted: Path, cache: Path) -> None:
    assert fingerprint(converted) == FINGERPRINT


def test_weights_and_positions_are_the_files_own(converted: Path) -> None:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(converted)
    values = (torch.arange(model.config.vocab_size * 32) * 7919 % 251 - 125) / 128
    assert torch.equal(model.embed_tokens.weight.detach().float().flatten(), values)
    # the first pair of four turns at 1, the second at theta ** -0.25
    assert model.rotary_emb.inv_freq[:2].tolist() == pytest.approx([1.0, 50_000.0**-0.25])


def test_weights_are_bfloat16_in_one_file(converted: Path) -> None:
    from safetensors import safe_open

    with safe_open(converted / "model.safetensors", "pt") as weights:
        kinds = {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_other_users_can_read_what_the_umask_allows(converted: Path) -> None:
    assert (converted / "model.safetensors").stat().st_mode == (converted / "config.json").stat().st_mode


def test_the_folder_depends_on_content_alone(cache: Path) -> None:
    assert converted_folder("ab" * 32).parent == cache / "bases"
    assert converted_folder("ab" * 32) != converted_folder("ac" * 32)


def test_folder_without_source_is_not_trusted(tiny_llama: Path) -> None:
    check_decoder(tiny_llama)
    assert not is_converted(tiny_llama)


def test_file_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    # Qwen 2 has biases, which the sample has not
    with pytest.raises(BaseModelError, match=r"lacks 3 weights of its own architecture.*k_proj\.bias"):
        convert_gguf(write_gguf(tmp_path / "tiny.gguf", architecture="qwen2"), tmp_path / "base", source={})


def test_an_error_of_transformers_names_the_file(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gguf: Path) -> None:
        raise KeyError("rope")

    monkeypatch.setattr(gguf_module, "_load_model", fail)
    with pytest.raises(BaseModelError, match=r"tiny\.gguf could not be converted by transformers \d.*rope"):
        convert_gguf(gguf, tmp_path / "base", source={})


def test_configs_of_both_versions_of_transformers_become_one() -> None:
    old = {"model_type": "llama", "rope_theta": 5e5, "rope_scaling": None, "torch_dtype": "bfloat16"}
    new = {
        "dtype": "bfloat16",
        "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"},
        "model_type": "llama",
    }
    assert (
        portable_config(old)
        == portable_config(new)
        == {"model_type": "llama", "rope_theta": 5e5, "torch_dtype": "bfloat16"}
    )
    assert list(portable_config(new)) == sorted(portable_config(new))


def test_scaled_positions_are_kept() -> None:
    scaling = {"rope_type": "linear", "factor": 2.0}
    new = portable_config({"rope_parameters": {"rope_theta": 1e4, **scaling}, "dtype": "bfloat16"})
    assert new == portable_config({"rope_theta": 1e4, "rope_scaling": scaling, "torch_dtype": "bfloat16"})
    assert new["rope_scaling"] == scaling


def test_rotary_positions_of_two_kinds_of_attention_layers() -> None:
    rope = {
        "full_attention": {"rope_type": "default", "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = portable_config({"rope_parameters": rope, "dtype": "bfloat16"})
    assert config == {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "torch_dtype": "bfloat16"}


def test_config_keys_that_do_not_matter_are_dropped() -> None:
    assert portable_config(
        {"transformers_version": "5.0", "_name_or_path": "x", "use_cache": True, "dtype": "bfloat16"}
    ) == {"torch_dtype": "bfloat16"}


def test_fields_are_plain_python(gguf: Path) -> None:
    reader = open_gguf(gguf)
    assert read_field(reader, "llama.block_count") == 1
    assert read_field(reader, "tokenizer.ggml.add_bos_token") is False
    assert read_field(reader, "tokenizer.ggml.tokens")[:2] == ["<|end|>", "<|start|>"]
    assert read_field(reader, "not.there") is None


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
    with pytest.raises(MissingPackageError, match=r"spacy_llama_ner\[project\]"):
        open_gguf(gguf)


THETA = 50_000.0
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def frequencies(**settings: object) -> list[float]:
    """What transformers itself computes for the sample's four pairs."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        hidden_size=32,
        num_attention_heads=4,
        head_dim=8,
        rope_theta=THETA,
        max_position_embeddings=131072,
        **settings,
    )
    return LlamaRotaryEmbedding(config).inv_freq.tolist()


@pytest.fixture
def scaled(tmp_path: Path) -> Path:
    """A GGUF file with the factors that llama.cpp writes for Llama 3.2."""
    pairs = zip(frequencies(), frequencies(rope_scaling=dict(LLAMA3)), strict=True)
    return write_gguf(tmp_path / "tiny.gguf", rope_factors=[plain / slow for plain, slow in pairs])


def test_rope_factors_become_rope_scaling(scaled: Path) -> None:
    assert llama3_scaling(open_gguf(scaled), theta=THETA) == LLAMA3


def test_the_converted_model_has_the_scaled_frequencies(scaled: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(convert_gguf(scaled, tmp_path / "base", source={}))
    assert model.rotary_emb.inv_freq.tolist() == pytest.approx(frequencies(rope_scaling=dict(LLAMA3)))
    assert model.rotary_emb.inv_freq.tolist() != pytest.approx(frequencies())


def test_a_file_without_rope_factors_is_not_scaled(gguf: Path) -> None:
    assert llama3_scaling(open_gguf(gguf), theta=THETA) is None


def test_other_rope_factors_are_refused(tmp_path: Path) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", rope_factors=[1.0, 3.0, 2.0, 8.0])
    with pytest.raises(BaseModelError, match="does not follow Llama 3's formula"):
        convert_gguf(gguf, tmp_path / "base", source={})


def tokens(tokenizer_folder: Path, text: str) -> list[str]:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(tokenizer_folder)
    return fast.convert_ids_to_tokens(fast(text)["input_ids"])


@pytest.fixture
def tokenizer_folder(gguf: Path, tmp_path: Path) -> Path:
    write_tokenizer(open_gguf(gguf), gguf, tmp_path)
    return tmp_path


def test_words_keep_their_space_and_none_is_added(tokenizer_folder: Path) -> None:
    assert tokens(tokenizer_folder, "EU red") == ["EU", "Ġre", "d"]


def test_special_tokens_are_named_and_recognised(tokenizer_folder: Path) -> None:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(tokenizer_folder)
    assert (fast.bos_token, fast.eos_token) == ("<|start|>", "<|end|>")
    assert fast("<|start|>EU")["input_ids"][0] == 1
    assert fast.decode(fast("<|start|>EU red")["input_ids"], skip_special_tokens=True) == "EU red"


def test_offsets_are_of_characters(tokenizer_folder: Path) -> None:
    from tokenizers import Tokenizer

    encoding = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json")).encode("é EU")
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


def test_a_start_token_is_added_if_the_file_asks_for_it(tmp_path: Path) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", add_bos=True)
    write_tokenizer(open_gguf(gguf), gguf, tmp_path)
    assert tokens(tmp_path, "EU") == ["<|start|>", "EU"]
