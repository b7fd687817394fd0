"""From settings, or from what a pipeline has saved, to a `WordEncoder`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from thinc.util import get_torch_default_device
from tokenizers import Tokenizer

from ..base.load import Decoder, load_shared, own_copy
from .attention import remove_causal_mask
from .lora import add_lora
from .module import WordEncoder
from .origin import Origin
from .settings import Settings, compute_dtype


def build_new(settings: Settings) -> WordEncoder:
    """An encoder with a fresh adapter, on thinc's current device. Fetches the base if need be."""
    return _build(settings, Origin.find(settings))


def build_saved(settings: Settings, spec: dict[str, Any]) -> WordEncoder:
    """The encoder that gave `spec`, but for its trained weights."""
    return _build(settings, Origin.from_spec(settings, spec))


def _build(settings: Settings, origin: Origin) -> WordEncoder:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    with origin.folder() as folder:
        shared = load_shared(folder, origin.fingerprint, dtype=dtype, device=device)
    _check_window(shared, settings.window)
    llama = own_copy(shared)
    _cut(llama, settings.layer)
    remove_causal_mask(llama, settings.attention)
    if settings.lora is not None:
        add_lora(llama, settings.lora)
    _unfreeze(llama, settings.unfreeze_layers)
    tokenizer = _tokenizer(origin.tokenizer)
    return WordEncoder(
        llama, merge=settings.merge, shared=shared, tokenizer=tokenizer, dtype=dtype, saved=origin.to_spec()
    )


@lru_cache(maxsize=2)
def _tokenizer(content: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, the same for all who stand on the same base: it takes some 15 MB."""
    return Tokenizer.from_str(content)


def _check_window(llama: Decoder, window: int) -> None:
    positions = llama.config.max_position_embeddings
    if window > positions:
        raise ValueError(f"window = {window}, but the base knows only {positions} positions. Give fewer subwords.")
    sliding = getattr(llama.config, "sliding_window", None)
    if sliding is not None and window > sliding:
        raise ValueError(
            f"window = {window}, but layers of this base see no farther than {sliding} subwords. Give fewer."
        )


def _cut(llama: Decoder, n_layers: int | None) -> None:
    if n_layers is None:
        return
    if n_layers > len(llama.layers):
        raise ValueError(f"layer = {n_layers}, but the base has {len(llama.layers)} layers. Give fewer or null.")
    llama.layers = llama.layers[:n_layers]
    llama.config.num_hidden_layers = n_layers


def _unfreeze(llama: Decoder, n_layers: int) -> None:
    """Give the top layers fp32 weights of their own, to be trained in full."""
    if n_layers > len(llama.layers):
        raise ValueError(f"unfreeze_layers = {n_layers}, but the encoder runs only {len(llama.layers)} layers.")
    for layer in llama.layers[len(llama.layers) - n_layers :]:
        for module in layer.modules():
            for name, parameter in module.named_parameters(recurse=False):
                own = parameter.detach().float().clone()
                setattr(module, name, torch.nn.Parameter(own))
