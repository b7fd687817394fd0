"""From settings, or from what a pipeline has saved, to a `WordModule`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from spacy.util import logger
from thinc.util import get_torch_default_device
from tokenizers import Tokenizer

from ..base.load import Decoder, Pretrained, layers_of, load_shared, own_copy
from .attention import remove_causal_mask
from .encoded import Encoded, EncodedError, reading_of
from .lora import add_lora
from .module import WordEncoder
from .origin import Origin
from .padded import PaddedEncoder
from .settings import DecoderSettings, Settings, compute_dtype
from .words import Foundation, WordModule


def build_new(settings: Settings) -> WordModule:
    """An encoder with a fresh adapter, on thinc's current device. Fetches the base if need be.

    Raises EncodedError where a file of vectors is named that does not hold those of this encoder.
    """
    module = _build(settings, Origin.find(settings))
    module.encoded = _encoded(settings, module)
    return module


def build_saved(settings: Settings, spec: dict[str, Any]) -> WordModule:
    """The encoder that gave `spec`, but for its trained weights; without a file of vectors that does not fit it."""
    module = _build(settings, Origin.from_spec(settings, spec))
    try:
        module.encoded = _encoded(settings, module)
    except EncodedError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            logger.warning("All texts are read anew. %s", error)
    return module


def _encoded(settings: Settings, module: WordModule) -> Encoded | None:
    if not isinstance(settings, DecoderSettings) or settings.encoded is None:
        return None
    return Encoded(Path(settings.encoded), reading_of(settings, module))


def _build(settings: Settings, origin: Origin) -> WordModule:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    quantization = settings.quantization if isinstance(settings, DecoderSettings) else None
    with origin.folder() as folder:
        shared = load_shared(folder, origin.fingerprint, dtype=dtype, device=device, quantization=quantization)
    _check_window(shared, settings.window)
    model = own_copy(shared)
    if isinstance(settings, DecoderSettings):
        _cut(model, settings.layer)
        remove_causal_mask(model, settings.attention)
    if settings.lora is not None:
        add_lora(model, settings.lora)
    _unfreeze(model, settings.unfreeze_layers)
    foundation = Foundation(shared, shared_tokenizer(origin.tokenizer), dtype, origin.to_spec())
    if isinstance(settings, DecoderSettings):
        return WordEncoder(model, foundation, merge=settings.merge)
    return PaddedEncoder(model, foundation)


@lru_cache(maxsize=2)
def shared_tokenizer(content: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, the same for all who stand on the same base: it takes some 15 MB."""
    tokenizer = Tokenizer.from_str(content)
    # some bases are published with these on, which would cut texts off
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _check_window(base: Pretrained, window: int) -> None:
    # the RoBERTa family begins to count behind the padding's number
    reserved = getattr(getattr(base, "embeddings", None), "padding_idx", -1) + 1
    positions = base.config.max_position_embeddings - reserved
    if window > positions:
        raise ValueError(f"window = {window}, but the base knows only {positions} positions. Give fewer subwords.")
    sliding = getattr(base.config, "sliding_window", None)
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


def _unfreeze(model: Pretrained, n_layers: int) -> None:
    """Give the top layers fp32 weights of their own, to be trained in full."""
    _, layers = layers_of(model)
    if n_layers > len(layers):
        raise ValueError(f"unfreeze_layers = {n_layers}, but the encoder runs only {len(layers)} layers.")
    for layer in layers[len(layers) - n_layers :]:
        for module in layer.modules():
            for name, parameter in module.named_parameters(recurse=False):
                own = parameter.detach().float().clone()
                setattr(module, name, torch.nn.Parameter(own))
