"""Quantization that is not possible is an error that says why."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base import quantize as quantize_module
from spacy_llama_ner.base.quantize import Quantization, quantize
from spacy_llama_ner.encoder import LlamaEncoder

CPU = torch.device("cpu")


def make_layers() -> nn.ModuleList:
    return nn.ModuleList([nn.Sequential(nn.Linear(8, 8, bias=False))])


@pytest.mark.parametrize(
    ("method", "package"),
    [("bitsandbytes-4bit", "bitsandbytes"), ("bitsandbytes-8bit", "bitsandbytes"), ("torchao-int8", "torchao")],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, method: Quantization, package: str) -> None:
    for name in ("bitsandbytes", "torchao", "torchao.quantization"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "spacy_llama_ner.base.bitsandbytes", raising=False)
    with pytest.raises(BaseModelError, match=rf"needs the package {package}, .*spacy_llama_ner\[quantized\]"):
        quantize(make_layers(), method, dtype=torch.float32, device=CPU)


def test_hardware_that_is_not_supported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise NotImplementedError("no kernel for this backend")

    monkeypatch.setattr(quantize_module, "_quantize_torchao", fail)
    message = r"does not run on this cpu \(NotImplementedError: no kernel .* set quantization to null"
    with pytest.raises(BaseModelError, match=message):
        quantize(make_layers(), "torchao-int8", dtype=torch.float32, device=CPU)


def test_products_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(layers: nn.ModuleList, device: torch.device) -> None:
        nn.init.constant_(layers[0][0].weight, float("nan"))

    monkeypatch.setattr(quantize_module, "_quantize_torchao", spoil)
    with pytest.raises(BaseModelError, match="its products are not finite numbers"):
        quantize(make_layers(), "torchao-int8", dtype=torch.float32, device=CPU)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"quantization = '4bit' is not known. Choose one of 'bitsandbytes-4bit', "):
        LlamaEncoder(quantization="4bit")  # type: ignore[arg-type]
