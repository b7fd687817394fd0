"""Adapters as peft leaves them on disk: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from thinc.api import Model

from spacy_llama_ner.encoder import LlamaEncoder, TransformerEncoder
from spacy_llama_ner.encoder.batching import align
from spacy_llama_ner.encoder.lora import LoRA
from spacy_llama_ner.encoder.peft_format import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    AdapterError,
    load_adapter,
    read_adapter,
    write_adapter,
)
from tests.conftest import build_tiny_llama
from tests.encoder.peft_samples import peft_adapter, peft_states
from tests.encoder.samples import make_docs, make_encoder, randomize_adapter, window_plan


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """An adapter of rank 4 on the queries and values of both layers."""
    return peft_adapter(tiny_llama, tmp_path / "adapter", r=4, lora_alpha=12, target_modules=["q_proj", "v_proj"])


def change_config(folder: Path, **settings: Any) -> None:
    path = folder / ADAPTER_CONFIG
    config = json.loads(path.read_text(encoding="utf8")) | settings
    path.write_text(json.dumps(config), encoding="utf8")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / ADAPTER_WEIGHTS)
    change(tensors)
    save_file(tensors, folder / ADAPTER_WEIGHTS)


def test_its_shape_is_that_of_the_weights(folder: Path, tiny_llama: Path) -> None:
    adapter = read_adapter(folder)
    assert adapter.lora == LoRA(4, 12.0, 0.0, ["q_proj", "v_proj"], [0, 1])
    assert (adapter.base, adapter.revision) == (str(tiny_llama), None)
    assert len(adapter.state) == 8 and adapter.ignored_weights == []
    assert adapter.state["layers.1.self_attn.v_proj.lora_A.weight"].shape == (4, 32)


@pytest.mark.parametrize("kind", ["causal_lm", "token_classification"])
def test_adapters_of_larger_models_are_read_the_same(tiny_llama: Path, tmp_path: Path, kind: str) -> None:
    """Their names go through one more module, and a head of their own may be in the file."""
    settings: dict[str, Any] = {"target_modules": ["q_proj"], "layers_to_transform": [1], "lora_dropout": 0.1}
    adapter = read_adapter(peft_adapter(tiny_llama, tmp_path / "adapter", kind=kind, **settings))
    assert adapter.lora == LoRA(8, 8.0, 0.1, ["q_proj"], [1])
    assert set(adapter.state) == {f"layers.1.self_attn.q_proj.lora_{factor}.weight" for factor in "AB"}
    heads = {"causal_lm": [], "token_classification": ["base_model.model.score.weight"]}
    assert [name for name in adapter.ignored_weights if name.endswith("weight")] == heads[kind]


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
    with pytest.raises(AdapterError, match=r"more than plain LoRA|has peft_type"):
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
        with pytest.raises(AdapterError, match=f"There is no adapter in .*: it has no {ADAPTER_CONFIG}"):
            read_adapter(folder)


def test_pickles_are_not_loaded(folder: Path) -> None:
    (folder / ADAPTER_WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"Pickles \(adapter_model.bin\) are never loaded"):
        read_adapter(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"peft_type": "LORA"}', '{"peft_type": "LORA", "r": "8"}'])
def test_a_damaged_config_is_refused(folder: Path, content: str) -> None:
    (folder / ADAPTER_CONFIG).write_text(content, encoding="utf8")
    with pytest.raises(AdapterError, match=r"not valid JSON|has peft_type|lacks r or lora_alpha"):
        read_adapter(folder)


def test_other_modules_in_other_layers_are_refused(folder: Path) -> None:
    change_weights(
        folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if "1.self_attn.q_proj" in name]
    )
    with pytest.raises(AdapterError, match="has other modules in some layers than in others"):
        read_adapter(folder)


@pytest.mark.parametrize("keep", [0, 7, 300])
def test_damaged_weights_are_refused(folder: Path, keep: int) -> None:
    path = folder / ADAPTER_WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(AdapterError, match=r"is damaged .* Copy the adapter again"):
        read_adapter(folder)


DOC = make_docs("UN praises Danish plan to protect Baltic seals")[0]


def states(model: Model) -> torch.Tensor:
    """What an encoder gives for each subword of `DOC`."""
    module = model.shims[0].module.eval()
    (alignment,) = align([DOC], module.tokenizer)
    (batch,) = window_plan([alignment.ids.tolist()]).batches
    with torch.inference_mode():
        return module.hidden_states(batch, torch.device("cpu"))


def subwords(model: Model) -> list[int]:
    (alignment,) = align([DOC], model.shims[0].module.tokenizer)
    return alignment.ids.tolist()


def with_adapter(base: Path, folder: Path, **settings: Any) -> Model:
    adapter = read_adapter(folder)
    model = LlamaEncoder(str(base), lora=asdict(adapter.lora), dtype="float32", **settings)
    model.initialize()
    load_adapter(model.shims[0].module, adapter)
    return model


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("decoder", {"target_modules": "all-linear"}),
        ("decoder", {"target_modules": ["q_proj", "up_proj"], "r": 4, "lora_alpha": 12}),
        ("decoder", {"target_modules": ["v_proj"], "use_rslora": True, "lora_alpha": 3}),
        ("causal_lm", {"target_modules": ["v_proj", "o_proj"], "layers_to_transform": [1]}),
    ],
)
def test_what_peft_trained_reads_the_same_here(
    tiny_llama: Path, tmp_path: Path, attention: Any, kind: str, settings: dict[str, Any]
) -> None:
    folder = peft_adapter(tiny_llama, tmp_path / "adapter", kind=kind, **settings)
    model = with_adapter(tiny_llama, folder, attention=attention)
    if kind == "causal_lm":
        # so that the bare decoder of transformers can be asked
        (folder / "again").mkdir()
        folder = folder / "again"
        write_adapter(model.shims[0].module, model.attrs["settings"], folder)
    expected = peft_states(tiny_llama, folder, subwords(model), causal=attention == "causal")
    torch.testing.assert_close(states(model), expected, atol=1e-5, rtol=1e-4)
    bare = peft_states(tiny_llama, None, subwords(model), causal=attention == "causal")
    assert (states(model) - bare).abs().max() > 1e-2


@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("lora", "targets"),
    [
        ({"rank": 4, "alpha": 8.0}, 7),
        ({"rank": 2, "alpha": 3.5, "target_modules": ["q_proj", "v_proj"]}, 2),
        ({"rank": 2, "target_modules": ["q_proj", "v_proj"], "layers": [-1]}, 2),
        ({"rank": 2, "layers": [0]}, 7),
    ],
)
def test_what_is_trained_here_reads_the_same_in_peft(
    tiny_llama: Path, tmp_path: Path, attention: str, lora: dict[str, Any], targets: int
) -> None:
    model = make_encoder(tiny_llama, lora=lora, attention=attention)
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    expected = peft_states(tiny_llama, tmp_path, subwords(model), causal=attention == "causal")
    torch.testing.assert_close(states(model), expected, atol=1e-5, rtol=1e-4)
    config = json.loads((tmp_path / ADAPTER_CONFIG).read_text(encoding="utf8"))
    assert (config["r"], config["lora_alpha"], config["inference_mode"]) == (
        lora["rank"],
        lora.get("alpha", 32.0),
        True,
    )
    assert len(config["target_modules"]) == targets


def test_there_and_back_nothing_is_lost(tiny_llama: Path, tmp_path: Path) -> None:
    model = make_encoder(tiny_llama, lora={"rank": 4, "alpha": 8.0, "dropout": 0.1, "layers": [1]})
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    again = with_adapter(tiny_llama, tmp_path)
    assert torch.equal(states(again), states(model))
    settings = again.attrs["settings"].lora
    assert (settings.rank, settings.alpha, settings.dropout, settings.layers) == (4, 8.0, 0.1, [1])


def test_encoders_of_the_bert_family_too(tiny_bert: Path, tmp_path: Path) -> None:
    """Several of their modules end in the same name."""
    lora = {"rank": 2, "target_modules": ["query", "dense"]}
    model = TransformerEncoder(str(tiny_bert), lora=lora, dtype="float32")
    model.initialize()
    randomize_adapter(model.shims[0].module)
    write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    adapter = read_adapter(tmp_path)
    again = TransformerEncoder(str(tiny_bert), lora=asdict(adapter.lora), dtype="float32")
    again.initialize()
    load_adapter(again.shims[0].module, adapter)
    torch.testing.assert_close(*(torch.from_numpy(each.predict([DOC])[0]) for each in (again, model)))


@pytest.mark.parametrize(
    ("settings", "said"), [({"lora": None}, "lora = null"), ({"unfreeze_layers": 1}, "layers = 1")]
)
def test_what_peft_has_no_place_for_is_refused(
    tiny_llama: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    model = make_encoder(tiny_llama, **settings)
    with pytest.raises(AdapterError, match=f"{said}.* Save the whole pipeline"):
        write_adapter(model.shims[0].module, model.attrs["settings"], tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_adapter_of_another_base_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    other = build_tiny_llama(tmp_path / "other", hidden_size=16)
    folder = peft_adapter(other, tmp_path / "adapter", target_modules=["q_proj"])
    with pytest.raises(
        AdapterError, match=r"(?s)does not fit this base, having been trained on .*other.*another shape"
    ):
        with_adapter(tiny_llama, folder)
