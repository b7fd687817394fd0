"""Adapters on a base of 8 or 4 bits a weight. What cannot run here is refused, which `tests/base` tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from thinc.api import Adam, Model

from spacy_llama_ner.encoder import LlamaEncoder
from tests.encoder.samples import make_docs, make_encoder
from tests.encoder.test_modules import train, unpickled

pytest.importorskip("bitsandbytes")
pytest.importorskip("torchao")

HOW = ["bitsandbytes-4bit", "bitsandbytes-8bit", "torchao-int8"]
DOCS = make_docs("UN praises Danish plan", "Anna")
every = pytest.mark.parametrize("how", HOW)


def tensors(model: Model) -> list[torch.Tensor]:
    """What the layers of the base consist of; torchao's tensors are made of several."""
    found: list[torch.Tensor] = []
    for name, parameter in model.shims[0].module.named_parameters():
        if ".layers." in name and not parameter.requires_grad:
            inner = parameter.__tensor_flatten__()[0] if hasattr(parameter, "__tensor_flatten__") else []
            found += [getattr(parameter, each) for each in inner] or [parameter]
    return found


def base_bytes(model: Model) -> int:
    return sum(tensor.nbytes for tensor in tensors(model))


def addresses(model: Model) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors(model)]


@every
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vectors_are_near_those_of_the_whole_base(tiny_llama: Path, how: str, dtype: str) -> None:
    whole, model = make_encoder(tiny_llama, dtype=dtype), make_encoder(tiny_llama, dtype=dtype, quantization=how)
    for expected, given in zip(whole.predict(DOCS), model.predict(DOCS), strict=True):
        likeness = (expected * given).sum() / np.linalg.norm(expected) / np.linalg.norm(given)
        assert (0.7 if "4bit" in how else 0.99) < likeness
        assert given.dtype == np.float32 and not np.array_equal(expected, given)


@every
def test_the_weights_take_less_memory(tiny_llama: Path, how: str) -> None:
    whole, model = make_encoder(tiny_llama), make_encoder(tiny_llama, quantization=how)
    assert base_bytes(model) < base_bytes(whole) * (0.2 if "4bit" in how else 0.4)


@every
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_adapter_learns_and_the_base_stays(tiny_llama: Path, how: str, dtype: str) -> None:
    """QLoRA."""
    model = make_encoder(tiny_llama, quantization=how, dtype=dtype)
    module = model.shims[0].module
    assert {p.dtype for p in module.parameters() if p.requires_grad} == {torch.float32}
    base = [tensor.detach().clone() for tensor in tensors(model)]
    target, optimizer, losses = [np.ones_like(v) for v in model.predict(DOCS)], Adam(0.01), []
    for _ in range(12):
        vectors, backprop = model.begin_update(DOCS)
        gradients = [v - t for v, t in zip(vectors, target, strict=True)]
        losses.append(sum(float((g**2).mean()) for g in gradients))
        backprop(gradients)
        model.finish_update(optimizer)
    assert losses[-1] < losses[0] * 0.8
    assert all(torch.equal(a, b) for a, b in zip(base, tensors(model), strict=True))


@every
def test_it_is_shared_and_training_one_leaves_the_other(tiny_llama: Path, how: str) -> None:
    one, other = make_encoder(tiny_llama, quantization=how), make_encoder(tiny_llama, quantization=how)
    assert addresses(one) == addresses(other) != []
    assert set(addresses(one)).isdisjoint(addresses(make_encoder(tiny_llama)))
    before = other.predict(DOCS)
    one.predict(DOCS)
    train(one)
    for after, vectors in zip(other.predict(DOCS), before, strict=True):
        np.testing.assert_array_equal(after, vectors)
    # one that comes later finds it as it was
    np.testing.assert_array_equal(make_encoder(tiny_llama, quantization=how).predict(DOCS)[0], before[0])


@every
@pytest.mark.parametrize("clone", [copy.deepcopy, unpickled])
def test_copies_share_it_too(tiny_llama: Path, how: str, clone: Any) -> None:
    model = make_encoder(tiny_llama, quantization=how)
    before = model.predict(DOCS)[0]
    twin = clone(model)
    assert addresses(twin) == addresses(model)
    np.testing.assert_array_equal(twin.predict(DOCS)[0], before)
    train(twin)
    assert not np.allclose(twin.predict(DOCS)[0], before, atol=1e-3)
    np.testing.assert_array_equal(model.predict(DOCS)[0], before)


def test_the_big_tensors_of_a_copy_are_those_of_the_base(tiny_llama: Path) -> None:
    """bitsandbytes keeps 8-bit weights outside of its parameters."""
    one = make_encoder(tiny_llama, quantization="bitsandbytes-8bit")
    twin = copy.deepcopy(one)
    first, second = (each.shims[0].module.llama.layers[0].mlp.up_proj.base_layer.state for each in (one, twin))
    assert first is not second
    assert first.CB is second.CB and first.SCB is second.SCB


@pytest.mark.parametrize("settings", [{"merge": True}, {"unfreeze_layers": 1}])
def test_what_needs_whole_weights_is_refused(tiny_llama: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quantization = 'torchao-int8' leaves no weights to train in full"):
        LlamaEncoder(str(tiny_llama), quantization="torchao-int8", **settings)
