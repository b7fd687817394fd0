"""Linear modules of bitsandbytes that several encoders can share while they train and predict side by side.

This module stands apart from `quantize` because it imports bitsandbytes, which is heavy and optional.
"""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch
from bitsandbytes import MatmulLtState
from bitsandbytes.nn import Int8Params, Linear4bit, Linear8bitLt, Params4bit

# Columns of activations with a larger value are multiplied without quantization; 6 is what the paper found best.
OUTLIER = 6.0

# it would log a cast to fp16 at each product
logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)


def quantize_linears(layers: Any, *, four_bits: bool, dtype: torch.dtype, device: torch.device) -> None:
    """Replace every linear module within `layers` by a quantized one.

    Args:
        layers: The layers of a base.
        four_bits: Whether weights get 4 bits rather than 8.
        dtype: What products of 4-bit weights are computed in.
        device: Where the quantized weights are.
    """
    found = [
        (parent, name, child)
        for parent in layers.modules()
        for name, child in parent.named_children()
        if isinstance(child, torch.nn.Linear)
    ]
    for parent, name, linear in found:
        setattr(parent, name, _linear_4bit(linear, dtype, device) if four_bits else _linear_8bit(linear, device))


def _linear_4bit(linear: torch.nn.Linear, dtype: torch.dtype, device: torch.device) -> Linear4bit:
    new = Linear4bit(linear.in_features, linear.out_features, bias=False, compute_dtype=dtype, device="meta")
    new.weight = Params4bit(linear.weight.data, quant_type="nf4").to(device)
    new.bias = linear.bias
    # otherwise prediction would repack the weights that others share
    new.support_avx512bf16_for_cpu = False
    return new


def _linear_8bit(linear: torch.nn.Linear, device: torch.device) -> Linear8bitLt:
    new = Linear8bitLt(linear.in_features, linear.out_features, bias=False, has_fp16_weights=False, device="meta")
    new.weight = Int8Params(linear.weight.data, requires_grad=False).to(device)
    new.bias = linear.bias
    new.state = _SharedState()
    new.state.has_fp16_weights = False
    new.state.threshold = OUTLIER
    new.init_8bit_state()
    return new


class _SharedState(MatmulLtState):
    """What a module keeps from product to product, beside its weights. A copy shares the weights and nothing else."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedState:
        return copy.copy(self)
