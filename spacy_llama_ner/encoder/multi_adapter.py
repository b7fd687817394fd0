"""One pass over the base for several encoders.

As long as no adapter has acted, hidden states are the same for all: one row. From the first layer on that has an
adapter, there is a row for each encoder. The base multiplies all rows at once, and each adapter its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, torch2xp
from thinc.types import Floats2d
from torch import Tensor, nn

from ..base.load import own_copy
from ..shim.torch_shim import TorchShim, split_rows
from .architectures import plan_docs
from .batching import Batch
from .modules import PackedDecoder
from .settings import DecoderSettings


class MultiAdapterEncoder(PackedDecoder):
    """Reads for several encoders on one base that read alike; a word's vector is theirs side by side.

    For prediction alone. The adapters stay those of the encoders, as they are at each call.
    """

    def __init__(self, encoders: Sequence[PackedDecoder]) -> None:
        super().__init__(own_copy(encoders[0].llama), encoders[0].foundation, merge=False)
        # in a tuple, so that they do not become submodules
        self.encoders = tuple(encoders)
        places = [_adapters(encoder.llama) for encoder in encoders]
        for name in sorted(set().union(*places)):
            parent, _, child = name.rpartition(".")
            adapters = [found.get(name) for found in places]
            linear: Any = self.llama.get_submodule(name)
            base = linear.get_base_layer() if name in places[0] else linear
            setattr(self.llama.get_submodule(parent), child, MultiLoRALinear(base, adapters))
        layers = [
            layer for layer in self.llama.layers if any(isinstance(each, MultiLoRALinear) for each in layer.modules())
        ]
        if layers:
            layers[0].register_forward_pre_hook(lambda _, args: (self._a_row_each(args[0]), *args[1:]))

    @property
    def width(self) -> int:
        """Size of a word's vectors together."""
        return len(self.encoders) * super().width

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        return self._a_row_each(self.read_rows(batch, device)).transpose(0, 1).flatten(1)

    def _a_row_each(self, states: Tensor) -> Tensor:
        return states.expand(len(self.encoders), -1, -1)


class MultiLoRALinear(nn.Module):
    """A linear module of the base, to whose product each row adds that of its adapter, if there is one."""

    def __init__(self, base: nn.Module, adapters: Sequence[Any]) -> None:
        super().__init__()
        self.base = base
        self.adapters = tuple(adapters)

    def forward(self, x: Tensor) -> Tensor:
        """From [n_rows, n_subwords, n_in] to [n_rows, n_subwords, n_out]."""
        y: Tensor = self.base(x)
        for row, adapter in enumerate(self.adapters):
            if adapter is not None:
                (name,) = adapter.active_adapters
                y[row] += adapter.lora_B[name](adapter.lora_A[name](x[row])) * adapter.scaling[name]
        return y


def fill_caches(layers: Sequence[Model], docs: Sequence[Doc], made: list[MultiAdapterEncoder]) -> int:
    """Have vectors of `docs` ready for each of `layers`, of `LlamaEncoder.v1`, that reads like another.

    made: what was made for earlier docs, used again where it fits; it is left holding what was used.
    Returns for how many layers there are vectors.
    """
    used = []
    for group in alike(layers):
        encoders = tuple(_encoder(layer) for layer in group)
        together = (
            next((each for each in made if each.encoders == encoders), None) or MultiAdapterEncoder(encoders).eval()
        )
        used.append(together)
        plan = plan_docs(group[0], list(docs))
        with torch.inference_mode():
            words = together(plan)
        for encoder, vectors in zip(encoders, words.chunk(len(encoders), dim=1), strict=True):
            rows = cast(Floats2d, torch2xp(vectors.contiguous()))
            encoder.ahead.put(docs, split_rows(rows, [int(n) for n in plan.n_words]))
    made[:] = used
    return sum(len(each.encoders) for each in used)


def alike(layers: Sequence[Model]) -> list[list[Model]]:
    """Groups of two or more layers on one base that cut texts alike and see the same; adapters may differ."""
    groups: list[list[Model]] = []
    for layer in layers:
        shim, settings = cast(TorchShim, layer.shims[0]), layer.attrs["settings"]
        if not shim.has_module or settings.merge or settings.unfreeze_layers:
            continue
        group = next((each for each in groups if _reading(each[0]) == _reading(layer)), None)
        if group is None:
            groups.append([layer])
        else:
            group.append(layer)
    return [group for group in groups if len(group) > 1]


def _reading(layer: Model) -> tuple[int, str, str, dict[str, Any]]:
    encoder = _encoder(layer)
    settings: DecoderSettings = layer.attrs["settings"]
    return id(encoder.base), encoder.spec()["tokenizer"], settings.dtype, settings.reading


def _encoder(layer: Model) -> PackedDecoder:
    return cast(PackedDecoder, cast(TorchShim, layer.shims[0]).module)


def _adapters(llama: nn.Module) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in llama.named_modules() if isinstance(module, LoraLayer)}
