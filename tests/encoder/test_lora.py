"""The adapter: where it sits, what it adds, what stays frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from thinc.api import Adam
from torch import nn

from spacy_llama_ner.encoder.lora import LoRA
from tests.encoder.samples import make_docs, make_encoder

LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def adapted(module: nn.Module) -> set[tuple[int, str]]:
    """(layer, linear module) of every adapter."""
    parts = [name.split(".") for name in trainable(module)]
    return {(int(name[2]), name[4]) for name in parts}


@pytest.mark.parametrize(
    ("lora", "expected"),
    [
        ({}, {(layer, name) for layer in (0, 1) for name in LINEAR}),
        ({"layers": [1]}, {(1, name) for name in LINEAR}),
        ({"layers": [-1]}, {(1, name) for name in LINEAR}),
        ({"target_modules": ["q_proj", "up_proj"]}, {(i, name) for i in (0, 1) for name in ("q_proj", "up_proj")}),
        ({"target_modules": "v_proj"}, {(0, "v_proj"), (1, "v_proj")}),
        ({"target_modules": ["q_proj", "v_proj"], "layers": [0]}, {(0, "q_proj"), (0, "v_proj")}),
    ],
)
def test_where_the_adapter_sits(tiny_llama: Path, lora: dict[str, Any], expected: set[tuple[int, str]]) -> None:
    assert adapted(make_encoder(tiny_llama, lora=lora).shims[0].module) == expected


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"layers": [2]}, "lora.layers = \\[2\\] .* from 0 to 1"),
        ({"layers": [-3]}, "from 0 to 1"),
        ({"layers": []}, "names no layers"),
        ({"target_modules": ["q_proj", "query"]}, "'down_proj', .*'v_proj'"),
        ({"target_modules": []}, "names modules that are not there"),
        ({"target_modules": ["input_layernorm"]}, "names modules that are not there"),
    ],
)
def test_layers_and_modules_that_are_not_there_are_refused(
    tiny_llama: Path, lora: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(tiny_llama, lora=lora)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_adapter_is_fp32_and_all_else_frozen_in_the_base_format(tiny_llama: Path, dtype: str) -> None:
    module = make_encoder(tiny_llama, dtype=dtype).shims[0].module
    for name, parameter in module.named_parameters():
        assert parameter.requires_grad == ("lora_" in name)
        assert parameter.dtype is (torch.float32 if parameter.requires_grad else getattr(torch, dtype))


def test_shape_and_scale(tiny_llama: Path) -> None:
    """W x + alpha / rank * B A x"""
    module = make_encoder(tiny_llama, lora={"rank": 4, "alpha": 12.0}).shims[0].module
    layer = module.llama.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert (a.shape, b.shape) == ((4, 32), (32, 4))
    assert b.any()
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(0))
    expected = x @ layer.base_layer.weight.T + 12 / 4 * (x @ a.T @ b.T)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_a_fresh_adapter_changes_nothing(tiny_llama: Path) -> None:
    docs = make_docs("Peter called Anna")
    frozen, model = make_encoder(tiny_llama, lora=None), make_encoder(tiny_llama)
    assert not np.allclose(model.predict(docs)[0], frozen.predict(docs)[0], atol=1e-3)
    model.initialize(X=docs)
    np.testing.assert_array_equal(model.predict(docs)[0], frozen.predict(docs)[0])


def test_dropout_acts_in_training_only(tiny_llama: Path) -> None:
    docs = make_docs("Peter called Anna")
    model = make_encoder(tiny_llama, lora={"rank": 4, "dropout": 0.5})
    torch.manual_seed(0)
    (first,), _ = model.begin_update(docs)
    (second,), _ = model.begin_update(docs)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(model.predict(docs)[0], model.predict(docs)[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rank": 0}, "rank must be at least 1"),
        ({"dropout": 1.0}, "dropout in \\[0, 1\\)"),
        ({"dropout": -0.1}, "Set lora = null for a frozen base"),
        ({"r": 8, "bias": "all"}, "unknown settings \\['bias', 'r'\\]. Known are .*'target_modules'"),
    ],
)
def test_nonsense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoRA.from_dict(given)


def test_what_is_not_given_has_a_default() -> None:
    assert LoRA.from_dict({"rank": 8}) == LoRA(8, 32.0, 0.0, "all-linear", None)


def test_merged_weights_read_the_same(tiny_llama: Path) -> None:
    docs = make_docs("Peter called Anna", "UN praises Danish plan")
    beside, merged = make_encoder(tiny_llama), make_encoder(tiny_llama, merge=True)
    for expected, given in zip(beside.predict(docs), merged.predict(docs), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-5)


def test_merging_leaves_the_shared_base_and_the_adapter_alone(tiny_llama: Path) -> None:
    docs = make_docs("Peter called Anna")
    neighbour, merged = make_encoder(tiny_llama), make_encoder(tiny_llama, merge=True)
    (before,), saved = neighbour.predict(docs), merged.to_bytes()
    merged.predict(docs)
    np.testing.assert_array_equal(neighbour.predict(docs)[0], before)
    assert merged.to_bytes() == saved


def test_merged_weights_are_made_anew_after_training(tiny_llama: Path) -> None:
    docs = make_docs("Peter called Anna")
    model = make_encoder(tiny_llama, merge=True)
    before = model.predict(docs)[0]
    (vectors,), backprop = model.begin_update(docs)
    backprop([np.ones_like(vectors)])
    model.finish_update(Adam(0.1))
    after, copied = model.predict(docs)[0], model.copy().predict(docs)[0]
    assert not np.allclose(after, before, atol=1e-3)
    np.testing.assert_array_equal(copied, after)
