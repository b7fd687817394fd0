"""Quantization: bases whose linear modules hold 8 or 4 bits a weight, quantized when they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .errors import BaseModelError

if TYPE_CHECKING:
    import torch

Quantization = Literal["bitsandbytes-4bit", "bitsandbytes-8bit", "torchao-int8"]


def quantize(layers: Any, method: Quantization, *, dtype: torch.dtype, device: torch.device) -> None:
    """Quantize the linear modules within `layers`, in place. Everything else stays as it is.

    Args:
        layers: The layers of a base.
        method: "bitsandbytes-4bit" is NF4 with quantized constants, as in QLoRA (Dettmers et al. 2023,
            https://arxiv.org/abs/2305.14314); "bitsandbytes-8bit" is LLM.int8() (Dettmers et al. 2022,
            https://arxiv.org/abs/2208.07339), which also has 8-bit activations; "torchao-int8" has 8-bit weights with
            a scale for each row.
        dtype: What products are computed in.
        device: Where the quantized weights are.

    Raises:
        BaseModelError: If the package is not installed, or cannot do it on this hardware.
    """
    package = method.partition("-")[0]
    try:
        if method == "torchao-int8":
            _quantize_torchao(layers, device)
        else:
            from .bitsandbytes import quantize_linears

            quantize_linears(layers, four_bits=method == "bitsandbytes-4bit", dtype=dtype, device=device)
        _check_product(layers, dtype=dtype, device=device)
    except ModuleNotFoundError as error:
        raise BaseModelError(
            f"quantization = {method!r} needs the package {package}, which is not installed ({error}). Install it "
            'with `pip install "spacy_llama_ner[quantized]"`, or set quantization to null.'
        ) from error
    # on hardware that they do not support, the libraries raise errors of any kind
    except Exception as error:
        raise BaseModelError(
            f"quantization = {method!r} does not run on this {device.type} ({type(error).__name__}: {error}). Update "
            f"{package}, or set quantization to null."
        ) from error


def _quantize_torchao(layers: Any, device: torch.device) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(layers, Int8WeightOnlyConfig(set_inductor_config=False), device=device)


def _check_product(layers: Any, *, dtype: torch.dtype, device: torch.device) -> None:
    """Compute one product, forwards and backwards, to see whether the hardware can."""
    import torch

    linear = next(module for module in layers.modules() if isinstance(module, torch.nn.Linear))
    x = torch.ones(2, linear.in_features, dtype=dtype, device=device, requires_grad=True)
    y = linear(x)
    y.sum().backward()
    if not (y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()):
        raise RuntimeError("its products are not finite numbers")
