"""Removing the causal mask of a decoder.

A decoder of `transformers` builds a causal mask unless it is handed a four-dimensional one, which it passes on to
its layers as it is. So the model always gets a mask that hides padding and nothing else, and the layers
that are to stay causal add the triangle themselves. Flags such as `is_causal` do not do it: depending on the
version, on padding and on the attention implementation they leave the mask causal without a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .settings import Attention


def padding_mask(lengths: Tensor, *, width: int, dtype: torch.dtype) -> Tensor:
    """Additive mask [n_windows, 1, 1, width]: 0 at a window's own subwords, the lowest number at padding."""
    hidden = torch.arange(width, device=lengths.device) >= lengths[:, None]
    return _additive(hidden, dtype)[:, None, None, :]


def remove_causal_mask(layers: nn.ModuleList, attention: Attention) -> None:
    """Let the layers that `attention` names see both sides; the others keep looking left only.

    layers: decoder layers, which will be called with a `padding_mask`.
    attention: "bidirectional" (every layer), "causal" (none), or the indices of the layers.
    """
    for index in sorted(set(range(len(layers))) - set(bidirectional_layers(attention, len(layers)))):
        layers[index].register_forward_pre_hook(_add_triangle, with_kwargs=True)


def bidirectional_layers(attention: Attention, n_layers: int) -> Iterable[int]:
    """Indices of the layers whose mask is removed. Negative indices count from the top."""
    if attention == "bidirectional":
        return range(n_layers)
    if attention == "causal":
        return []
    indices = attention
    if isinstance(indices, str) or not all(isinstance(i, int) and -n_layers <= i < n_layers for i in indices):
        raise ValueError(
            f"attention = {attention!r} names layers that are not there. Give 'bidirectional', 'causal', "
            f"or a list of layer indices from 0 to {n_layers - 1} (this base, as it is cut, has {n_layers} layers)."
        )
    return [i % n_layers for i in indices]


def _add_triangle(layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    mask = kwargs["attention_mask"]
    width = mask.shape[-1]
    future = torch.ones(width, width, dtype=torch.bool, device=mask.device).triu(1)
    return args, {**kwargs, "attention_mask": torch.minimum(mask, _additive(future, mask.dtype))}


def _additive(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, torch.finfo(dtype).min)
