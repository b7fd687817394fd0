"""From settings, or from what a pipeline has saved, to a `Writer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from thinc.util import get_torch_default_device

from ..base.load import load_shared, own_copy
from ..base.output import load_output
from ..encoder.build import shared_tokenizer
from ..encoder.lora import add_lora
from ..encoder.origin import Origin
from ..encoder.settings import compute_dtype
from .chat import ChatForm
from .module import Desk, Writer
from .settings import WriterSettings
from .spelling import shared_speller


def build_new(settings: WriterSettings) -> Writer:
    """A writer with a fresh adapter, on thinc's current device. Fetches the base if need be.

    Raises BaseModelError where the base has no chat template or no output layer.
    """
    origin = Origin.find(settings)
    return _build(settings, origin, ChatForm.find(Path(origin.path), settings.base))


def build_saved(settings: WriterSettings, spec: dict[str, Any]) -> Writer:
    """The writer that gave `spec`, but for its trained weights."""
    origin = Origin.from_spec(settings, {key: value for key, value in spec.items() if key != "chat"})
    return _build(settings, origin, ChatForm(**spec["chat"]))


def _build(settings: WriterSettings, origin: Origin, chat: ChatForm) -> Writer:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    with origin.folder() as folder:
        shared = load_shared(
            folder, origin.fingerprint, dtype=dtype, device=device, quantization=settings.quantization
        )
        output = load_output(folder, origin.fingerprint, shared)
    llama = own_copy(shared)
    # plain products: on a CPU they are faster backwards than the fused kernel, which knows no soft cap besides
    llama.config._attn_implementation = "eager"
    if settings.lora is not None:
        add_lora(llama, settings.lora)
    tokenizer = origin.tokenizer
    desk = Desk(shared, shared_tokenizer(tokenizer), dtype, origin.to_spec(), output, chat, shared_speller(tokenizer))
    return Writer(llama, desk, merge=settings.merge)
