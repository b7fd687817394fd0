"""One pass over the base for several encoders that differ in nothing but their adapters.

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

from ..base.load import copy_sharing_weights
from ..shim.torch_shim import TorchShim, split_rows
from .architectures import plan_docs
from .batching import Batch
from .modules import PackedDecoder
from .settings import DecoderSettings


def fill_caches(layers: Sequence[Model], docs: Sequence[Doc], encoders: list[MultiAdapterEncoder]) -> int:
    """Compute the vectors of docs for several layers at once, and put them into the layers' caches.

    Args:
        layers: Layers of `LlamaEncoder.v1`. Those that differ from all others in more than their adapter are left
            out.
        docs: Docs that components with these layers will process next.
        encoders: The encoders that were made for earlier docs, used again where they fit; it is left with those that
            were used for `docs`.

    Returns:
        For how many layers there are vectors now.
    """
    used = []
    for group in compatible_groups(layers):
        parts = tuple(_module(layer) for layer in group)
        encoder = (
            next((each for each in encoders if each.encoders == parts), None) or MultiAdapterEncoder(parts).eval()
        )
        used.append(encoder)
        plan = plan_docs(group[0], list(docs))
        with torch.inference_mode():
            words = encoder(plan)
        for part, vectors in zip(parts, words.chunk(len(parts), dim=1), strict=True):
            rows = cast(Floats2d, torch2xp(vectors.contiguous()))
            part.cache.put(docs, split_rows(rows, [int(n) for n in plan.n_words]))
    encoders[:] = used
    return sum(len(each.encoders) for each in used)


def compatible_groups(layers: Sequence[Model]) -> list[list[Model]]:
    """Group layers that can share a pass over the base.

    Args:
        layers: Layers of `LlamaEncoder.v1`.

    Returns:
        Groups of two or more layers on one base with the same settings but for the adapter. Layers without weights,
        with `merge` or with `unfreeze_layers` are in none.
    """
    groups: list[list[Model]] = []
    for layer in layers:
        shim, settings = cast(TorchShim, layer.shims[0]), layer.attrs["settings"]
        if not shim.has_module or settings.merge or settings.unfreeze_layers:
            continue
        group = next((each for each in groups if _in_common(each[0]) == _in_common(layer)), None)
        if group is None:
            groups.append([layer])
        else:
            group.append(layer)
    return [group for group in groups if len(group) > 1]


def _in_common(layer: Model) -> tuple[int, str, str, dict[str, Any]]:
    """What layers of a group have in common."""
    module, settings = _module(layer), cast(DecoderSettings, layer.attrs["settings"])
    return id(module.base), module.spec()["tokenizer"], settings.dtype, settings.forward_settings


def _module(layer: Model) -> PackedDecoder:
    return cast(PackedDecoder, cast(TorchShim, layer.shims[0]).module)


class MultiAdapterEncoder(PackedDecoder):
    """Several encoders on one base in one forward pass, for prediction alone.

    A word's vector is those of all encoders side by side. The adapters are those of the encoders themselves, as they
    are at each call.

    Args:
        encoders: Encoders of a group of `compatible_groups`.
    """

    def __init__(self, encoders: Sequence[PackedDecoder]) -> None:
        super().__init__(copy_sharing_weights(encoders[0].llama), encoders[0].shared, merge=False)
        # in a tuple, so that they do not become submodules
        self.encoders = tuple(encoders)
        adapters = [_lora_layers(encoder.llama) for encoder in encoders]
        for name in sorted(set().union(*adapters)):
            parent, _, child = name.rpartition(".")
            linear: Any = self.llama.get_submodule(name)
            base = linear.get_base_layer() if name in adapters[0] else linear
            multi = MultiLoRALinear(base, [found.get(name) for found in adapters])
            setattr(self.llama.get_submodule(parent), child, multi)
        layers = [
            layer for layer in self.llama.layers if any(isinstance(each, MultiLoRALinear) for each in layer.modules())
        ]
        if layers:
            layers[0].register_forward_pre_hook(lambda _, args: (self._row_per_encoder(args[0]), *args[1:]))

    @property
    def width(self) -> int:
        """Size of a word's vectors together."""
        return len(self.encoders) * super().width

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Encode all subwords of a batch, [n_subwords, width]."""
        return self._row_per_encoder(self.run_decoder(batch, device)).transpose(0, 1).flatten(1)

    def _row_per_encoder(self, states: Tensor) -> Tensor:
        return states.expand(len(self.encoders), -1, -1)


class MultiLoRALinear(nn.Module):
    """A linear module of the base with a LoRA adapter for each row of its input.

    Args:
        base: The linear module.
        adapters: peft's layer with the adapter of each row, or None.
    """

    def __init__(self, base: nn.Module, adapters: Sequence[Any]) -> None:
        super().__init__()
        self.base = base
        self.adapters = tuple(adapters)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n_rows, n_subwords, n_in] to [n_rows, n_subwords, n_out]."""
        y: Tensor = self.base(x)
        for row, adapter in enumerate(self.adapters):
            if adapter is not None:
                (name,) = adapter.active_adapters
                y[row] += adapter.lora_B[name](adapter.lora_A[name](x[row])) * adapter.scaling[name]
        return y


def _lora_layers(llama: nn.Module) -> dict[str, Any]:
    """The adapted linear modules by their names."""
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in llama.named_modules() if isinstance(module, LoraLayer)}


class EncoderList(list[MultiAdapterEncoder]):
    """The encoders that `fill_caches` keeps for the next docs.

    A copy is empty, and so is one that was pickled: the encoders are made again when they are needed.
    """

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return EncoderList, ()
