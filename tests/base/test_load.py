"""All who use the same base share one frozen copy of its weights."""

from __future__ import annotations

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_llama_ner.base.load import copy_sharing_weights, load_shared

CPU = torch.device("cpu")


def load(folder: Path, fingerprint: str = "tiny", **settings: Any) -> Any:
    return load_shared(folder, fingerprint, **{"dtype": torch.float32, "device": CPU, **settings})


def test_all_who_ask_for_the_same_get_the_same_object(tiny_llama: Path, tmp_path: Path) -> None:
    model = load(tiny_llama)
    assert load(tiny_llama) is model
    # the fingerprint says what a base is, not where it lies
    assert load(tmp_path / "nothing lies here") is model


@pytest.mark.parametrize(
    "other",
    [{"fingerprint": "other"}, {"dtype": torch.bfloat16}],
    ids=lambda other: next(iter(other)),
)
def test_another_base_or_format_is_another_object(tiny_llama: Path, other: dict[str, Any]) -> None:
    model, second = load(tiny_llama), load(tiny_llama, **other)
    assert second is not model
    assert second.dtype is other.get("dtype", torch.float32)


def test_threads_that_ask_at_once_get_the_same_object(tiny_llama: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: load(tiny_llama), range(4)))
    assert len({id(model) for model in models}) == 1


def test_it_is_frozen_and_in_evaluation_mode(tiny_llama: Path) -> None:
    model = load(tiny_llama)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_it_is_freed_when_nobody_holds_it(tiny_llama: Path) -> None:
    model = load(tiny_llama, "short-lived")
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_copy_has_the_same_tensors_in_modules_of_its_own(tiny_llama: Path) -> None:
    model = load(tiny_llama)
    copy = copy_sharing_weights(model)
    ids = torch.tensor([[5, 6, 7]])
    expected = model(input_ids=ids).last_hidden_state
    theirs, mine = (dict([*m.named_parameters(), *m.named_buffers()]) for m in (model, copy))
    assert theirs.keys() == mine.keys()
    assert all(mine[name] is tensor for name, tensor in theirs.items())
    assert not set(map(id, model.modules())) & set(map(id, copy.modules()))
    assert copy.config is not model.config

    copy.layers[1].register_forward_hook(lambda *_: pytest.fail("a hook of the copy ran in the shared base"))
    copy.layers[0].mlp = torch.nn.Identity()
    del copy.layers[0].self_attn
    assert torch.equal(model(input_ids=ids).last_hidden_state, expected)


@pytest.fixture
def damaged(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "damaged"))


def test_weights_that_are_not_there_are_an_error(damaged: Path) -> None:
    weights = load_file(damaged / "model.safetensors")
    del weights["layers.1.mlp.up_proj.weight"]
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OSError, match=r"lacks 1 weights of its own config, among them .*layers\.1\.mlp\.up_proj"):
        load(damaged, "incomplete")


@pytest.mark.parametrize("content", [b"", b"no safetensors", None])
def test_weights_that_cannot_be_read_are_an_error(damaged: Path, content: bytes | None) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100] if content is None else content)
    with pytest.raises(OSError, match=r"cannot be read .* fetch the base again"):
        load(damaged, "unreadable")


def test_weights_of_another_shape_are_an_error(damaged: Path) -> None:
    weights = load_file(damaged / "model.safetensors")
    weights["norm.weight"] = torch.ones(7)
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OSError):
        load(damaged, "misshapen")


def test_a_load_that_failed_is_tried_again(damaged: Path, tiny_llama: Path) -> None:
    weights = damaged / "model.safetensors"
    weights.write_bytes(b"")
    with pytest.raises(OSError, match="cannot be read"):
        load(damaged, "restored")
    shutil.copy(tiny_llama / "model.safetensors", weights)
    assert load(damaged, "restored").config.hidden_size == 32


def test_loading_is_quiet(tiny_llama: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    load(tiny_llama, "never loaded before")
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()
