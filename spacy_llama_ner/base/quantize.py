"""Bases whose linear modules take 8 or 4 bits a weight, quantised when they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .errors import BaseModelError

if TYPE_CHECKING:
    import torch

Quantization = Literal["bitsandbytes-4bit", "bitsandbytes-8bit", "torchao-int8"]


def quantize(layers: Any, how: Quantization, *, dtype: torch.dtype, device: torch.device) -> None:
    """Quantise the linear modules of `layers`, in place, on `device`; everything else stays as it is.

    how: "bitsandbytes-4bit" is NF4 with quantised constants, as in QLoRA (Dettmers et al. 2023,
        https://arxiv.org/abs/2305.14314); "bitsandbytes-8bit" is LLM.int8() (Dettmers et al. 2022,
        https://arxiv.org/abs/2208.07339), with 8-bit activations besides; "torchao-int8" has 8-bit weights with a
        scale for each row.
    dtype: what products are computed in.

    Raises BaseModelError where the package is not there, or cannot do it on this hardware.
    """
    package = how.partition("-")[0]
    try:
        if how == "torchao-int8":
            _torchao(layers, device)
        else:
            from .bitsandbytes import convert

            convert(layers, four=how == "bitsandbytes-4bit", dtype=dtype, device=device)
        _try_out(layers, dtype=dtype, device=device)
    except ModuleNotFoundError as error:
        raise BaseModelError(
            f"quantization = {how!r} needs the package {package}, which is not there ({error}). Install it with "
            '`pip install "spacy_llama_ner[quantized]"`, or set quantization to null.'
        ) from error
    # what a library says of hardware that it does not know is of any kind
    except Exception as error:
        raise BaseModelError(
            f"quantization = {how!r} does not run on this {device.type} ({type(error).__name__}: {error}). Update "
            f"{package}, or set quantization to null."
        ) from error


def _torchao(layers: Any, device: torch.device) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(layers, Int8WeightOnlyConfig(set_inductor_config=False), device=device)


def _try_out(layers: Any, *, dtype: torch.dtype, device: torch.device) -> None:
    """One product, forwards and backwards."""
    import torch

    linear = next(module for module in layers.modules() if isinstance(module, torch.nn.Linear))
    x = torch.ones(2, linear.in_features, dtype=dtype, device=device, requires_grad=True)
    y = linear(x)
    y.sum().backward()
    if not (y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()):
        raise RuntimeError("its products are not finite numbers")
