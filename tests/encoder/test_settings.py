"""Settings that make no sense are refused before anything is loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spacy_llama_ner.encoder import LlamaEncoder, settings
from spacy_llama_ner.encoder.settings import compute_dtype


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pooling": "max"}, "pooling = 'max' is not known. Choose one of 'first', 'last', 'mean'"),
        ({"dtype": "float16"}, "dtype = 'float16' is not known"),
        ({"attention": "sideways"}, "Choose one of 'bidirectional', 'causal'"),
        ({"window": 100, "stride": 101}, "window = 100 and stride = 101 leave subwords out"),
        ({"stride": 0}, "0 < stride <= window"),
        ({"window": 0, "stride": 0}, "0 < stride <= window"),
        ({"unfreeze_layers": -1}, "unfreeze_layers = -1"),
        ({"layer": 0}, "layer = 0"),
        ({"lora": {"rank": 0}}, "rank must be at least 1"),
        ({"lora": {"r": 4}}, "unknown settings \\['r'\\]"),
    ],
)
def test_nonsense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LlamaEncoder("a base that nobody looks for", **given)


def test_nothing_is_looked_up_before_initialize() -> None:
    model = LlamaEncoder("a base that is not there")
    assert not model.shims[0].has_module
    assert model.has_dim("nO") is None


def test_dtype_by_name() -> None:
    cpu = torch.device("cpu")
    assert compute_dtype("float32", cpu) is torch.float32
    assert compute_dtype("bfloat16", cpu) is torch.bfloat16


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bf16_where_the_hardware_is_made_for_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(settings, "_cpu_multiplies_bf16", lambda: native)
    assert compute_dtype("auto", torch.device("cpu")) is expected
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert compute_dtype("auto", torch.device("cuda")) is expected
    assert compute_dtype("auto", torch.device("mps")) is torch.float32


def test_auto_says_so_where_it_must_be_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settings, "_cpu_multiplies_bf16", lambda: False)
    settings._warn_slow.cache_clear()
    for _ in range(2):
        compute_dtype("auto", torch.device("cpu"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "This cpu has no bf16 units: llama_ner computes in float32" in caplog.text


@pytest.mark.parametrize(
    ("features", "native"), [((True, False), True), ((False, True), True), ((False, False), False)]
)
def test_which_processors_multiply_bf16(
    monkeypatch: pytest.MonkeyPatch, features: tuple[bool, bool], native: bool
) -> None:
    avx512, amx = features
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert settings._cpu_multiplies_bf16() is native
