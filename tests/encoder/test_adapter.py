"""Adapters as peft leaves them on disk: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_llama_ner.encoder.adapter import CONFIG, WEIGHTS, AdapterError, read_adapter
from spacy_llama_ner.encoder.lora import LoRA

from .peft_samples import peft_adapter


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """An adapter of rank 4 on the queries and values of both layers."""
    return peft_adapter(tiny_llama, tmp_path / "adapter", r=4, lora_alpha=12, target_modules=["q_proj", "v_proj"])


def change_config(folder: Path, **settings: Any) -> None:
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf8")) | settings
    path.write_text(json.dumps(config), encoding="utf8")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def test_its_shape_is_that_of_the_weights(folder: Path, tiny_llama: Path) -> None:
    adapter = read_adapter(folder)
    assert adapter.lora == LoRA(4, 12.0, 0.0, ["q_proj", "v_proj"], [0, 1])
    assert (adapter.base, adapter.revision) == (str(tiny_llama), None)
    assert len(adapter.state) == 8 and adapter.left_aside == []
    assert adapter.state["layers.1.self_attn.v_proj.lora_A.weight"].shape == (4, 32)


@pytest.mark.parametrize("kind", ["causal_lm", "token_classification"])
def test_adapters_of_larger_models_are_read_the_same(tiny_llama: Path, tmp_path: Path, kind: str) -> None:
    """Their names go through one more module, and a head of their own may be in the file."""
    settings: dict[str, Any] = {"target_modules": ["q_proj"], "layers_to_transform": [1], "lora_dropout": 0.1}
    adapter = read_adapter(peft_adapter(tiny_llama, tmp_path / "adapter", kind=kind, **settings))
    assert adapter.lora == LoRA(8, 8.0, 0.1, ["q_proj"], [1])
    assert set(adapter.state) == {f"layers.1.self_attn.q_proj.lora_{factor}.weight" for factor in "AB"}
    heads = {"causal_lm": [], "token_classification": ["base_model.model.score.weight"]}
    assert [name for name in adapter.left_aside if name.endswith("weight")] == heads[kind]


def test_rank_stabilised_ones_keep_their_scale(folder: Path) -> None:
    change_config(folder, use_rslora=True)
    assert read_adapter(folder).lora.alpha == pytest.approx(12 * 4**0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"peft_type": "IA3"},
        {"peft_type": None},
        {"use_dora": True},
        {"bias": "all"},
        {"lora_bias": True},
        {"rank_pattern": {"q_proj": 8}},
        {"alpha_pattern": {"q_proj": 8}},
        {"layer_replication": [[0, 1]]},
        {"fan_in_fan_out": True},
        {"init_lora_weights": "pissa"},
        {"a_setting_of_the_future": {"on": True}},
    ],
    ids=str,
)
def test_whatever_is_more_than_plain_lora_is_refused(folder: Path, settings: dict[str, Any]) -> None:
    change_config(folder, **settings)
    with pytest.raises(AdapterError, match=r"more than plain LoRA|is of the kind"):
        read_adapter(folder)


def test_another_rank_than_it_says_is_refused(folder: Path) -> None:
    change_config(folder, r=8)
    with pytest.raises(AdapterError, match=r"says r = 8, but the weights beside it have the ranks \[4\]"):
        read_adapter(folder)


@pytest.mark.parametrize("name", ["embed_tokens.weight", "model.norm.weight", "model.layers.0.mlp.up_proj.weight"])
def test_weights_of_the_base_itself_are_refused(folder: Path, name: str) -> None:
    change_weights(folder, lambda tensors: tensors.update({f"base_model.model.{name}": torch.ones(2)}))
    with pytest.raises(AdapterError, match=f"holds weights of the base itself: .*{name}"):
        read_adapter(folder)


def test_no_weights_at_all_are_refused(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.clear())
    with pytest.raises(AdapterError, match="holds no adapter"):
        read_adapter(folder)


def test_folders_without_an_adapter_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AdapterError, match=f"There is no adapter in .*: it has no {CONFIG}"):
            read_adapter(folder)


def test_pickles_are_not_loaded(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"Pickles \(adapter_model.bin\) are never loaded"):
        read_adapter(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"peft_type": "LORA"}', '{"peft_type": "LORA", "r": "8"}'])
def test_a_damaged_config_is_refused(folder: Path, content: str) -> None:
    (folder / CONFIG).write_text(content, encoding="utf8")
    with pytest.raises(AdapterError, match=r"not valid JSON|is of the kind|lacks r or lora_alpha"):
        read_adapter(folder)


def test_other_modules_in_other_layers_are_refused(folder: Path) -> None:
    change_weights(
        folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if "1.self_attn.q_proj" in name]
    )
    with pytest.raises(AdapterError, match="has other modules in some layers than in others"):
        read_adapter(folder)


@pytest.mark.parametrize("keep", [0, 7, 300])
def test_damaged_weights_are_refused(folder: Path, keep: int) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(AdapterError, match=r"is damaged .* Copy the adapter again"):
        read_adapter(folder)
