"""Low-rank adapters on a frozen base (Hu et al. 2021, https://arxiv.org/abs/2106.09685), by peft.

`LoRA` is the shape of an adapter, `add_lora` puts one on a base, and `merged_copy` multiplies it out for faster
prediction; `MergeCache` keeps such a copy.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..base.load import Decoder, Pretrained, copy_sharing_weights, find_layers


@dataclass(frozen=True)
class LoRA:
    """Shape of an adapter.

    Attributes:
        rank: Inner dimension of the two factors.
        alpha: The product of the factors is scaled by alpha / rank.
        dropout: Rate of dropout on the adapter's input. Costs a third of a training step on a CPU.
        target_modules: Names of linear modules of a layer, such as ["q_proj", "v_proj"], or "all-linear".
        layers: Indices of the layers that get an adapter, negative ones from the top; None for all of them.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"
    layers: list[int] | None = None

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> LoRA:
        """Read a `lora` block of a config.

        Args:
            settings: The block; what is not given has its default.

        Returns:
            The shape of the adapter.

        Raises:
            ValueError: If a key or a value makes no sense.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(settings) - known:
            raise ValueError(f"lora has unknown settings {sorted(unknown)}. Known are {sorted(known)}.")
        lora = cls(**settings)
        if lora.rank < 1 or not 0 <= lora.dropout < 1:
            raise ValueError(
                f"lora = {asdict(lora)} makes no adapter: rank must be at least 1 and dropout in [0, 1). "
                "Set lora = null for a frozen base."
            )
        return lora


def add_lora(model: Pretrained, lora: LoRA) -> None:
    """Put fp32 adapters on a base, in place, and freeze everything else.

    Args:
        model: The base.
        lora: Shape of the adapter.

    Raises:
        ValueError: If `lora` names a layer or a module that is not there.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=_target_modules(model, lora),
    )
    with warnings.catch_warnings():
        # about weights quantized by torchao, which are never merged here
        warnings.filterwarnings("ignore", message=".*get_apply_tensor_subclass")
        inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if isinstance(module, LoraLayer):
            # autocast does the casting; peft's own would turn every activation into fp32 first
            module.cast_input_dtype_enabled = False


def _target_modules(model: Pretrained, lora: LoRA) -> list[str]:
    """Full names of the linear modules that get an adapter.

    peft could choose them itself, but it takes no layers beside "all-linear", looks for layers only below a prefix
    that a bare decoder does not have, and ignores a name that fits nothing.
    """
    from torch.nn import Linear

    path, all_layers = find_layers(model)
    n_layers = len(all_layers)
    layers = range(n_layers) if lora.layers is None else lora.layers
    if not layers or not all(-n_layers <= index < n_layers for index in layers):
        raise ValueError(
            f"lora.layers = {list(layers)} names no layers, or layers that are not there. Give indices from 0 to "
            f"{n_layers - 1} (the model runs {n_layers} layers), or null for all."
        )
    linear = {
        f"{path}.{index}.{name}": name.rpartition(".")[2]
        for index in sorted({index % n_layers for index in layers})
        for name, module in all_layers[index].named_modules()
        if isinstance(module, Linear)
    }
    if lora.target_modules == "all-linear":
        return list(linear)
    wanted = [lora.target_modules] if isinstance(lora.target_modules, str) else lora.target_modules
    if not wanted or not set(wanted) <= set(linear.values()):
        raise ValueError(
            f"lora.target_modules = {lora.target_modules!r} names modules that are not there. The linear modules "
            f"of this base's layers are {sorted(set(linear.values()))}. Give a list of those, or 'all-linear'."
        )
    return [full_name for full_name, name in linear.items() if name in wanted]


def merged_copy(model: Pretrained) -> Pretrained:
    """Copy a model with its adapter merged into the weights.

    Each merged weight is rounded once, to the number format of the base.

    Args:
        model: A base with an adapter; it stays as it is.

    Returns:
        The model with plain linear modules in place of the adapted ones. It shares all other tensors with `model`.
    """
    import torch
    from peft.tuners.lora import Linear

    merged = copy_sharing_weights(model)
    adapted = {name: module for name, module in merged.named_modules() if isinstance(module, Linear)}
    for name, module in adapted.items():
        linear: Any = module.get_base_layer()
        with torch.no_grad():
            weight = linear.weight.float() + sum(module.get_delta_weight(key) for key in module.active_adapters)
        linear.weight = torch.nn.Parameter(weight.to(linear.weight.dtype), requires_grad=False)
        parent, _, child = name.rpartition(".")
        setattr(merged.get_submodule(parent), child, linear)
    return merged


class MergeCache:
    """Keeps the merged copy of a decoder until its adapter is trained further.

    It is no submodule of the module that holds it, so that the copy is neither saved nor trained. A copy of it is
    empty.
    """

    def __init__(self) -> None:
        self._merged: Decoder | None = None

    def get(self, llama: Decoder) -> Decoder:
        """Return the merged copy of `llama`, made when it is first asked for."""
        if self._merged is None:
            self._merged = merged_copy(llama)
        return self._merged

    def clear(self) -> None:
        """Drop the copy, since the adapter is about to change."""
        self._merged = None

    def __deepcopy__(self, memo: dict[int, Any]) -> MergeCache:
        return MergeCache()
