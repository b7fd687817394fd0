"""Low-rank adapters on a frozen base (Hu et al. 2021, https://arxiv.org/abs/2106.09685), by peft."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..base.load import Decoder


@dataclass(frozen=True)
class LoRA:
    """Shape of an adapter.

    rank: inner dimension of the two factors.
    alpha: the product is scaled by alpha / rank.
    dropout: on the adapter's input. Costs a third of a training step on a CPU.
    target_modules: names of linear modules, or "all-linear".
    layers: indices of the layers that get an adapter; null for all of them.
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


def add_lora(model: Decoder, lora: LoRA) -> None:
    """Inject fp32 adapters into `model`, in place, and freeze everything else."""
    from peft import LoraConfig, inject_adapter_in_model
    from peft.tuners.lora import LoraLayer

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        layers_to_transform=lora.layers,
    )
    inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if isinstance(module, LoraLayer):
            # autocast does the casting; peft's own would turn every activation into fp32 first
            module.cast_input_dtype_enabled = False
