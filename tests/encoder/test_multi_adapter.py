"""One pass over the base for several adapters gives what each encoder gives alone."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from thinc.api import Adam, Model

from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.encoder.multi_adapter import MultiAdapterEncoder, compatible_groups, fill_caches
from tests.encoder.samples import FAMILIES, LORA, make_docs, make_encoder

DOCS = make_docs("UN praises Danish plan", "", "Anna", "Peter Piper called Anna at 6 pm on Friday about London. " * 4)
WINDOWS = {"window": 24, "stride": 16}
ADAPTERS = {
    "alike": [LORA, LORA, LORA],
    "of other shapes": [{"rank": 2}, {"rank": 4, "target_modules": ["q_proj", "up_proj"]}],
    "in the top layer alone": [{**LORA, "layers": [1]}, {**LORA, "layers": [1]}],
    "in different layers": [{**LORA, "layers": [0]}, {**LORA, "layers": [1]}],
    "and one without": [LORA, None],
    "the first without": [None, {**LORA, "layers": [1]}],
    "none at all": [None, None],
}
OTHER_SETTINGS = [
    {"attention": "causal"},
    {"layer": 1},
    {"pooling": "last"},
    {"window": 32},
    {"stride": 12},
    {"dtype": "bfloat16"},
    {"merge": True},
    {"unfreeze_layers": 1},
]


def make_encoders(base: Path, *adapters: dict[str, Any] | None, **settings: Any) -> list[Model]:
    """Encoders with adapters of these shapes, each with weights of its own."""
    encoders = [make_encoder(base, lora=lora, **WINDOWS, **settings) for lora in adapters]
    for number, encoder in enumerate(encoders):
        for name, parameter in encoder.shims[0].module.named_parameters():
            if "lora_B" in name:
                parameter.data *= 1 + number
    return encoders


def encode_together(encoders: list[Model], docs: Any = DOCS) -> list[list[np.ndarray]]:
    """Vectors by encoder, all from one pass."""
    assert fill_caches(encoders, docs, []) == len(encoders)
    found = [encoder.shims[0].module.cache.take(docs) for encoder in encoders]
    assert None not in found
    return found


def assert_same(found: list[list[np.ndarray]], expected: list[list[np.ndarray]], atol: float = 1e-5) -> None:
    for mine, alone in zip(found, expected, strict=True):
        for vectors, others in zip(mine, alone, strict=True):
            np.testing.assert_allclose(vectors, others, atol=atol)


@pytest.mark.parametrize("adapters", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize("settings", [{}, {"attention": [1], "pooling": "mean"}, {"dtype": "bfloat16"}], ids=str)
def test_each_gets_its_own_vectors(tiny_llama: Path, adapters: list[Any], settings: dict[str, Any]) -> None:
    encoders = make_encoders(tiny_llama, *adapters, **settings)
    expected = [encoder.predict(DOCS) for encoder in encoders]
    assert_same(encode_together(encoders), expected, atol=1e-5 if "dtype" not in settings else 0.05)
    if adapters != [None, None]:
        assert not np.allclose(expected[0][0], expected[1][0], atol=1e-2)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("layer", [0, 1])
def test_in_every_family(tiny_decoder: Callable[[str], Path], kind: str, layer: int) -> None:
    encoders = make_encoders(tiny_decoder(kind), {**LORA, "layers": [layer]}, {**LORA, "layers": [1]})
    assert_same(encode_together(encoders), [encoder.predict(DOCS) for encoder in encoders])


def test_layers_below_every_adapter_run_once_for_all(tiny_llama: Path) -> None:
    encoders = make_encoders(tiny_llama, *[{**LORA, "layers": [1]}] * 3)
    encoder = MultiAdapterEncoder([each.shims[0].module for each in encoders])
    rows: list[int] = []
    for layer in encoder.llama.layers:
        layer.self_attn.register_forward_hook(lambda _, args, out: rows.append(len(out[0])))
    known = [encoder.eval()]
    fill_caches(encoders, DOCS[:1], known)
    assert rows == [1, 3]
    assert known == [encoder]


def test_training_counts_from_the_next_doc_on(tiny_llama: Path) -> None:
    """Cached vectors go out of date, but the encoder that computed them does not."""
    encoders, known = make_encoders(tiny_llama, LORA, LORA), []
    fill_caches(encoders, DOCS, known)
    (encoder,) = known
    vectors, backprop = encoders[0].begin_update(DOCS)
    backprop([np.ones_like(v) for v in vectors])
    encoders[0].finish_update(Adam(0.1))
    assert encoders[0].shims[0].module.cache.take(DOCS) is None
    expected = [encoder.predict(DOCS) for encoder in encoders]
    fill_caches(encoders, DOCS, known)
    assert known == [encoder]
    assert_same([encoder.shims[0].module.cache.take(DOCS) for encoder in encoders], expected)


def test_a_layer_takes_cached_vectors_once(tiny_llama: Path) -> None:
    (one,) = make_encoders(tiny_llama, LORA)
    cached = [np.full_like(vectors, 7.0) for vectors in one.predict(DOCS)]
    one.shims[0].module.cache.put(DOCS, cached)
    assert (one.predict(DOCS[:1])[0] == 7).all()
    assert (one.predict(DOCS[1:])[2] == 7).all()
    assert not (one.predict(DOCS)[0] == 7).any()
    # training does not take them
    one.shims[0].module.cache.put(DOCS, cached)
    assert not (one.begin_update(DOCS)[0][0] == 7).any()


@pytest.mark.parametrize("asked", [make_docs("Anna"), [*DOCS, *make_docs("Anna")]], ids=["another", "one more"])
def test_docs_that_are_not_cached_are_encoded(tiny_llama: Path, asked: list[Any]) -> None:
    (encoder,) = make_encoders(tiny_llama, LORA)
    expected = encoder.predict(asked)
    encoder.shims[0].module.cache.put(DOCS, [np.full((len(doc), 32), 7.0, dtype="float32") for doc in DOCS])
    assert_same([encoder.predict(asked)], [expected])


def test_vectors_are_dropped_with_their_docs(tiny_llama: Path) -> None:
    encoders = make_encoders(tiny_llama, LORA, LORA)
    docs = make_docs("Anna called", "Peter")
    fill_caches(encoders, docs, [])
    cache = encoders[0].shims[0].module.cache
    assert len(cache) == 2
    del docs
    gc.collect()
    assert len(cache) == 0


@pytest.mark.parametrize("settings", OTHER_SETTINGS, ids=str)
def test_layers_with_other_settings_stay_apart(tiny_llama: Path, settings: dict[str, Any]) -> None:
    one, two = make_encoders(tiny_llama, LORA, {"rank": 2})
    other = make_encoder(tiny_llama, **{**WINDOWS, **settings})
    assert compatible_groups([one, other, two]) == [[one, two]]
    assert compatible_groups([one, other]) == []


def test_each_base_has_a_pass_of_its_own(tiny_decoder: Callable[[str], Path], tiny_llama: Path) -> None:
    llamas, mistrals = (make_encoders(base, LORA, LORA) for base in (tiny_llama, tiny_decoder("mistral")))
    mixed = [llamas[0], mistrals[0], llamas[1], mistrals[1]]
    assert compatible_groups(mixed) == [llamas, mistrals]
    assert_same(encode_together(mixed), [encoder.predict(DOCS) for encoder in mixed])


def test_one_without_weights_is_left_out(tiny_llama: Path) -> None:
    one, two = make_encoders(tiny_llama, LORA, LORA)
    blank = LlamaEncoder(str(tiny_llama), lora=LORA, dtype="float32", **WINDOWS)
    assert compatible_groups([blank, one, two]) == [[one, two]]


def test_no_gradients_are_computed(tiny_llama: Path) -> None:
    encoders = make_encoders(tiny_llama, LORA, LORA)
    fill_caches(encoders, DOCS, [])
    assert all(p.grad is None for encoder in encoders for p in encoder.shims[0].module.parameters())
    assert torch.is_grad_enabled()
