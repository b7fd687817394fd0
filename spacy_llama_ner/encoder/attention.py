"""Attention within windows that are packed in one row, with the causal mask or without it.

Which mask a decoder of `transformers` builds depends on its version, the padding and the attention implementation,
and flags such as `is_causal` can leave it causal without a warning. So its layers get an attention function of this
package, through the interface that transformers has for that, and no mask at all: the function alone decides which
subwords see each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.load import Decoder
from .batching import Batch
from .settings import Attention

# the name under which `attend_in_windows` is registered with transformers
PACKED = "spacy_llama_ner.packed"
# On a CPU, plain products are as fast as torch's fused kernel forwards and faster backwards, but their memory grows
# with the square of a window: windows of so many subwords and more go through the fused kernel.
FUSED_FROM = 1024


@dataclass(frozen=True)
class WindowGroup:
    """Neighbouring windows of a packed row that are padded to one length; each attends to itself alone.

    Attributes:
        rows: Slice of the packed row with the subwords of the group.
        n_windows: Number of windows.
        width: Number of subwords of the longest window.
        padding: Bool [n_windows, width], True where a shorter window has no subword; None where all are as long.
        source: The subword at each place, any at padding, int64 [n_windows * width].
        places: The place of each subword, int64 [n_subwords of the group].
    """

    rows: slice
    n_windows: int
    width: int
    padding: Tensor | None
    source: Tensor
    places: Tensor

    def pad(self, row: Tensor) -> Tensor:
        """Take the group out of a packed row: [n_subwords of the row, ...] to [n_windows, width, ...]."""
        own = row[self.rows]
        if self.padding is not None:
            own = own.index_select(0, self.source)
        return own.unflatten(0, (self.n_windows, self.width))

    def unpad(self, padded: Tensor) -> Tensor:
        """Pack the group again: [n_windows, width, ...] to [n_subwords of the group, ...]."""
        flat = padded.flatten(0, 1)
        return flat if self.padding is None else flat.index_select(0, self.places)


def make_groups(batch: Batch, device: torch.device) -> list[WindowGroup]:
    """Make the groups of windows of a batch.

    Args:
        batch: Packed windows.
        device: Where the tensors of the groups are to be.

    Returns:
        The groups, in the order of the row.
    """
    start, groups = 0, []
    for group in batch.groups:
        lengths = torch.from_numpy(batch.lengths[group])
        groups.append(_make_group(lengths, start, device))
        start += int(lengths.sum())
    return groups


def _make_group(lengths: Tensor, start: int, device: torch.device) -> WindowGroup:
    n, width = len(lengths), int(lengths.max())
    places = torch.arange(width).expand(n, -1)
    padding = places >= lengths[:, None]
    first = (lengths.cumsum(0) - lengths)[:, None]
    source = (first + places).masked_fill(padding, 0)
    return WindowGroup(
        rows=slice(start, start + int(lengths.sum())),
        n_windows=n,
        width=width,
        padding=padding.to(device) if padding.any() else None,
        source=source.flatten().to(device),
        places=(~padding).flatten().nonzero()[:, 0].to(device),
    )


def positions(batch: Batch) -> Tensor:
    """Count the subwords of each window from 0, int64 [n_subwords of the batch]."""
    lengths = torch.from_numpy(batch.lengths)
    starts = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    return torch.arange(len(batch.ids)) - starts


def remove_causal_mask(llama: Decoder, attention: Attention) -> None:
    """Let some layers of a decoder see both sides of a subword, and the others its left side only.

    Args:
        llama: A decoder, changed in place. It has to be called with `windows`, the groups of its packed input.
        attention: Which layers see both sides: "bidirectional" (all), "causal" (none), or their indices.

    Raises:
        ValueError: If `attention` names layers that are not there.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED, attend_in_windows)
    llama.config._attn_implementation = PACKED
    open_layers = set(bidirectional_layers(attention, len(llama.layers)))
    for index, layer in enumerate(llama.layers):
        layer.self_attn.is_causal = index not in open_layers


def bidirectional_layers(attention: Attention, n_layers: int) -> Iterable[int]:
    """List the layers whose causal mask is removed.

    Args:
        attention: "bidirectional" (all), "causal" (none), or indices; negative ones count from the top.
        n_layers: How many layers the decoder runs.

    Returns:
        Indices of the layers, from 0 on.

    Raises:
        ValueError: If `attention` names layers that are not there.
    """
    if attention == "bidirectional":
        return range(n_layers)
    if attention == "causal":
        return []
    indices = attention
    if isinstance(indices, str) or not all(isinstance(i, int) and -n_layers <= i < n_layers for i in indices):
        raise ValueError(
            f"attention = {attention!r} names layers that are not there. Give 'bidirectional', 'causal', "
            f"or a list of layer indices from 0 to {n_layers - 1} (the encoder runs {n_layers} layers)."
        )
    return [i % n_layers for i in indices]


def attend_in_windows(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    windows: list[WindowGroup],
    dropout: float = 0.0,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Compute attention of each window to itself; transformers calls this in every layer.

    Args:
        module: The attention module; `module.is_causal` says whether subwords see only their left side.
        query: Queries [n_rows, n_heads, n_subwords, head_dim].
        key: Keys [n_rows, n_kv_heads, n_subwords, head_dim]; each head of them serves several query heads.
        value: Values, with the shape of the keys.
        attention_mask: Not used; transformers has no mask to give.
        scaling: Factor of the products of queries and keys.
        windows: Which subwords belong together, in all rows alike.
        dropout: Rate of dropout on the attention weights.
        softcap: Bound of the scores, as Gemma 2 has one.
        **kwargs: Further arguments of transformers, not used.

    Returns:
        Weighted values [n_rows, n_subwords, n_heads, head_dim], and None in place of the weights.
    """
    settings: dict[str, Any] = {"causal": bool(module.is_causal), "scaling": scaling, "dropout": dropout}
    rows = [
        _attend(*(states.transpose(0, 1) for states in row), windows=windows, softcap=softcap, **settings)
        for row in zip(query, key, value, strict=True)
    ]
    return (rows[0][None] if len(rows) == 1 else torch.stack(rows)), None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    windows: list[WindowGroup],
    causal: bool,
    scaling: float,
    dropout: float,
    softcap: float | None,
) -> Tensor:
    """Attention of one row; shapes as in `attend_in_windows`, without the dimension of rows."""
    seen = []
    for group in windows:
        q, k, v = (group.pad(states) for states in (query, key, value))
        mask = _mask(group, causal=causal, dtype=q.dtype)
        fused = softcap is None and (q.device.type != "cpu" or group.width >= FUSED_FROM)
        if fused:
            padded = _fused(q, k, v, mask, scaling=scaling, dropout=dropout)
        else:
            padded = _products(q, k, v, mask, scaling=scaling, dropout=dropout, softcap=softcap)
        seen.append(group.unpad(padded))
    return torch.cat(seen)


def _mask(group: WindowGroup, *, causal: bool, dtype: torch.dtype) -> Tensor | None:
    """Additive mask [n_windows or 1, 1, width or 1, width], the lowest number at what is hidden; None to see all."""
    hidden = None if group.padding is None else group.padding[:, None, None, :]
    if causal:
        shape = (group.width, group.width)
        future = torch.ones(shape, dtype=torch.bool, device=group.source.device).triu(1)[None, None]
        hidden = future if hidden is None else hidden | future
    if hidden is None:
        return None
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, torch.finfo(dtype).min)


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, scaling: float, dropout: float) -> Tensor:
    """Attention by torch's fused kernel; all but the mask are [n_windows, width, heads, head_dim]."""
    shared_keys = q.shape[2] != k.shape[2]
    if shared_keys and mask is not None:
        # torch has no fused kernel on a GPU for both at once
        k, v = (states.repeat_interleave(q.shape[2] // states.shape[2], dim=2) for states in (k, v))
        shared_keys = False
    seen = F.scaled_dot_product_attention(
        q.transpose(1, 2),
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=mask,
        dropout_p=dropout,
        scale=scaling,
        enable_gqa=shared_keys,
    )
    return seen.transpose(1, 2)


def _products(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, scaling: float, dropout: float, softcap: float | None
) -> Tensor:
    """Attention by plain matrix products; the query heads of one key head are multiplied together."""
    width, n_kv = k.shape[1:3]
    queries = q.unflatten(2, (n_kv, -1)).permute(0, 2, 3, 1, 4)  # [n, kv, heads of it, width, head_dim]
    per_kv = queries.shape[2]
    scores = queries.flatten(2, 3) @ k.permute(0, 2, 3, 1) * scaling
    if softcap is not None:
        scores = (scores / softcap).tanh() * softcap
    if mask is not None:
        scores = (scores.unflatten(2, (per_kv, width)) + mask[:, :, None]).flatten(2, 3)
    weights = F.dropout(scores.softmax(dim=-1, dtype=torch.float32).to(v.dtype), dropout)
    seen = weights @ v.transpose(1, 2)
    return seen.unflatten(2, (per_kv, width)).permute(0, 3, 1, 2, 4).flatten(2, 3)
