"""Low-rank adapters on a frozen base (Hu et al. 2021, https://arxiv.org/abs/2106.09685), by peft."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..base.load import Pretrained, layers_of, own_copy


@dataclass(frozen=True)
class LoRA:
    """Shape of an adapter.

    rank: inner dimension of the two factors.
    alpha: the product is scaled by alpha / rank.
    dropout: on the adapter's input. Costs a third of a training step on a CPU.
    target_modules: names of linear modules of a layer, such as ["q_proj", "v_proj"], or "all-linear".
    layers: indices of the layers that get an adapter, negative ones from the top; null for all of them.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"
    layers: list[int] | None = None

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> LoRA:
        """Read a `lora` block of a config. Raises ValueError on a key or value that makes no sense."""
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
    """Inject fp32 adapters into `model`, in place, and freeze everything else.

    Raises ValueError if `lora` names a layer or module that is not there.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora),
    )
    with warnings.catch_warnings():
        # of weights quantised by torchao, which are never merged here
        warnings.filterwarnings("ignore", message=".*get_apply_tensor_subclass")
        inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if isinstance(module, LoraLayer):
            # autocast does the casting; peft's own would turn every activation into fp32 first
            module.cast_input_dtype_enabled = False


def merged_copy(model: Pretrained) -> Pretrained:
    """`model` with plain linear modules in place of the adapted ones, whose weights are sums of both.

    Each sum is rounded once, to the format of the base. All other tensors are those of `model`.
    """
    import torch
    from peft.tuners.lora import Linear

    merged = own_copy(model)
    adapted = {name: module for name, module in merged.named_modules() if isinstance(module, Linear)}
    for name, module in adapted.items():
        linear: Any = module.get_base_layer()
        with torch.no_grad():
            weight = linear.weight.float() + sum(module.get_delta_weight(key) for key in module.active_adapters)
        linear.weight = torch.nn.Parameter(weight.to(linear.weight.dtype), requires_grad=False)
        parent, _, child = name.rpartition(".")
        setattr(merged.get_submodule(parent), child, linear)
    return merged


def _targets(model: Pretrained, lora: LoRA) -> list[str]:
    """Full names of the linear modules that get an adapter.

    peft could choose them itself, but it takes no layers beside "all-linear", looks for layers only below a
    prefix that a bare decoder does not have, and passes over a name that fits nothing.
    """
    from torch.nn import Linear

    path, all_layers = layers_of(model)
    n_layers = len(all_layers)
    layers = range(n_layers) if lora.layers is None else lora.layers
    if not layers or not all(-n_layers <= index < n_layers for index in layers):
        raise ValueError(
            f"lora.layers = {list(layers)} names no layers, or layers that are not there. Give indices from 0 to "
            f"{n_layers - 1} (this base, as it is cut, has {n_layers} layers), or null for all."
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
