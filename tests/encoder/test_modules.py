"""What encoders are made of: their own part of a base that all of them share."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from thinc.api import Adam, Model

from spacy_llama_ner.encoder import LlamaEncoder
from tests.encoder.samples import FAMILIES, make_docs, make_encoder

DOCS = make_docs("UN praises Danish plan", "Anna")


def addresses(model: Model, *, trained: bool) -> set[int]:
    parameters = model.shims[0].module.parameters()
    return {p.data_ptr() for p in parameters if p.requires_grad == trained}


def train(model: Model) -> None:
    vectors, backprop = model.begin_update(DOCS)
    backprop([np.ones_like(v) for v in vectors])
    model.finish_update(Adam(0.01))


def unpickled(model: Model) -> Model:
    return pickle.loads(pickle.dumps(model))


def loaded(model: Model) -> Model:
    clone = LlamaEncoder(**vars(model.attrs["settings"]) | {"lora": {"rank": 4, "alpha": 8.0}})
    return clone.from_bytes(model.to_bytes())


@pytest.mark.parametrize("settings", [{}, {"pooling": "last", "attention": "causal"}])
def test_encoders_share_the_base_and_nothing_else(tiny_llama: Path, settings: dict[str, Any]) -> None:
    one, other = make_encoder(tiny_llama), make_encoder(tiny_llama, **settings)
    assert addresses(one, trained=False) == addresses(other, trained=False) != set()
    assert addresses(one, trained=True).isdisjoint(addresses(other, trained=True))


def test_the_number_format_is_part_of_what_is_shared(tiny_llama: Path) -> None:
    one, other = make_encoder(tiny_llama), make_encoder(tiny_llama, dtype="bfloat16")
    assert addresses(one, trained=False).isdisjoint(addresses(other, trained=False))


@pytest.mark.parametrize("settings", [{}, {"lora": None, "unfreeze_layers": 1}, {"unfreeze_layers": 2}])
def test_training_one_leaves_the_other_as_it_is(tiny_llama: Path, settings: dict[str, Any]) -> None:
    other = make_encoder(tiny_llama)
    one = make_encoder(tiny_llama, **settings)
    before, mine = other.predict(DOCS), one.predict(DOCS)
    base = {name: p.clone() for name, p in other.shims[0].module.named_parameters()}
    train(one)
    assert not np.allclose(one.predict(DOCS)[0], mine[0], atol=1e-3)
    for name, parameter in other.shims[0].module.named_parameters():
        assert torch.equal(parameter, base[name]), name
    for after, vectors in zip(other.predict(DOCS), before, strict=True):
        np.testing.assert_array_equal(after, vectors)


@pytest.mark.parametrize("clone", [Model.copy, copy.deepcopy, unpickled, loaded])
@pytest.mark.parametrize("settings", [{}, {"unfreeze_layers": 1}])
def test_copies_share_the_frozen_part_only(
    tiny_llama: Path, settings: dict[str, Any], clone: Callable[[Model], Model]
) -> None:
    model = make_encoder(tiny_llama, **settings)
    twin = clone(model)
    assert addresses(twin, trained=False) == addresses(model, trained=False) != set()
    assert addresses(twin, trained=True).isdisjoint(addresses(model, trained=True))
    before = model.predict(DOCS)
    np.testing.assert_array_equal(twin.predict(DOCS)[0], before[0])
    train(twin)
    assert not np.allclose(twin.predict(DOCS)[0], before[0], atol=1e-3)
    np.testing.assert_array_equal(model.predict(DOCS)[0], before[0])


def test_a_copy_keeps_the_base_for_those_who_come_later(tiny_llama: Path) -> None:
    twin = make_encoder(tiny_llama, unfreeze_layers=1).copy()
    gc.collect()
    later = make_encoder(tiny_llama, unfreeze_layers=1)
    assert addresses(later, trained=False) == addresses(twin, trained=False) != set()


@pytest.mark.parametrize("lora", [None, {"rank": 4}])
def test_unfreeze_layers_trains_the_top_layers_whole(tiny_llama: Path, lora: dict[str, Any] | None) -> None:
    module = make_encoder(tiny_llama, lora=lora, unfreeze_layers=1, dtype="bfloat16").shims[0].module
    for name, parameter in module.named_parameters():
        own = name.startswith("llama.layers.1.")
        assert parameter.requires_grad == (own or "lora_" in name), name
        assert parameter.dtype is (torch.float32 if parameter.requires_grad else torch.bfloat16), name


def test_unfrozen_layers_are_saved_and_loaded(tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama, unfreeze_layers=1)
    train(model)
    twin = unpickled(model)
    np.testing.assert_array_equal(twin.predict(DOCS)[0], model.predict(DOCS)[0])


@pytest.mark.parametrize("kind", FAMILIES)
def test_layer_is_the_number_of_layers_that_run(tiny_decoder: Callable[[str], Path], kind: str) -> None:
    full = make_encoder(tiny_decoder(kind), lora=None).shims[0].module.llama
    model = make_encoder(tiny_decoder(kind), lora=None, layer=1)
    llama = model.shims[0].module.llama
    assert (len(llama.layers), len(full.layers)) == (1, 2)
    states: list[torch.Tensor] = []
    # older versions of transformers give a tuple
    llama.layers[0].register_forward_hook(
        lambda _, args, out: states.append(out[0] if isinstance(out, tuple) else out)
    )
    (vectors,) = model.predict(DOCS[1:])
    (first, *_) = full.norm(states[0])[0].detach().numpy()
    np.testing.assert_allclose(vectors[0], first, atol=1e-6)
    np.testing.assert_array_equal(
        make_encoder(tiny_decoder(kind), lora=None, layer=2).predict(DOCS)[0],
        make_encoder(tiny_decoder(kind), lora=None).predict(DOCS)[0],
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 3}, "layer = 3, but the base has 2 layers"),
        ({"unfreeze_layers": 3}, "unfreeze_layers = 3, but the encoder runs only 2 layers"),
        ({"layer": 1, "unfreeze_layers": 2}, "the encoder runs only 1 layers"),
        ({"layer": 1, "attention": [1]}, "from 0 to 0"),
        ({"layer": 1, "lora": {"layers": [1]}}, "from 0 to 0"),
        ({"window": 513}, "window = 513, but the base knows only 512 positions"),
    ],
)
def test_more_than_the_base_has_is_refused(tiny_llama: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(tiny_llama, **settings)


def test_windows_that_layers_cannot_span_are_refused(tiny_decoder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "short-sighted"
    shutil.copytree(tiny_decoder("mistral"), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    (folder / "config.json").write_text(json.dumps({**config, "sliding_window": 64}), encoding="utf8")
    with pytest.raises(ValueError, match="window = 65, but layers of this base see no farther than 64 subwords"):
        make_encoder(folder, window=65, stride=40)
    make_encoder(folder, window=64, stride=40)


def test_the_base_stays_a_causal_model_for_others(tiny_llama: Path) -> None:
    """Someone who generates text may stand on it too."""
    ids = torch.tensor([[5, 6, 7, 8]])

    def states(base: Any) -> torch.Tensor:
        with torch.inference_mode():
            return base(input_ids=ids).last_hidden_state

    model = make_encoder(tiny_llama)
    base = model.shims[0].module.base
    before = states(base)
    train(model)
    model.predict(DOCS)
    assert torch.equal(states(base), before)
    ids[0, 3] = 9
    after = states(base)
    assert torch.equal(after[:, :3], before[:, :3]) and not torch.equal(after[:, 3], before[:, 3])
