"""Adapters of encoders, to disk and from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..state import copy_state, fill, trained
from .adapter import CONFIG, WEIGHTS, Adapter, AdapterError

if TYPE_CHECKING:
    from .settings import Settings
    from .words import WordModule


def write_adapter(module: WordModule, settings: Settings, folder: Path) -> None:
    """Write the adapter of an encoder to `folder`, which has to be there.

    `PeftModel.from_pretrained(AutoModel.from_pretrained(BASE), folder)` loads it; whether the mask is causal is up to
    who calls that model. Raises AdapterError where there is no adapter, or more than one is trained.
    """
    from peft import LoraConfig
    from safetensors.torch import save

    lora = settings.lora
    if lora is None or settings.unfreeze_layers:
        what = "lora = null" if lora is None else f"unfreeze_layers = {settings.unfreeze_layers}"
        raise AdapterError(
            f"The encoder has {what}. The layout of peft holds a LoRA adapter and nothing else that is trained. Save "
            "the whole pipeline with `nlp.to_disk` instead."
        )
    names = _names(module)
    state = copy_state(module)
    weights = {f"base_model.model.{name}": state[own] for name, own in names.items()}
    # a file by `save_file` is for its owner's eyes alone (safetensors issue 782), where others serve what one trained
    (folder / WEIGHTS).write_bytes(save(weights, {"format": "pt"}))
    config: dict[str, Any] = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=_targets(module, {name.rpartition(".lora_")[0] for name in names}),
        base_model_name_or_path=settings.base,
        revision=settings.revision,
        task_type="FEATURE_EXTRACTION",
        inference_mode=True,
    ).to_dict()
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    (folder / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True), encoding="utf8")


def load_adapter(module: WordModule, adapter: Adapter) -> None:
    """Give an encoder with a fresh adapter of the same shape the weights of `adapter`. Raises AdapterError."""
    names = _names(module)
    try:
        fill(module, {names.get(name, name): tensor for name, tensor in adapter.state.items()})
    except ValueError as error:
        trained_on = f", having been trained on {adapter.base!r}" if adapter.base else ""
        raise AdapterError(
            f"The adapter does not fit this base{trained_on}. Name the base that it belongs to.\n{error}"
        ) from error


def _names(module: WordModule) -> dict[str, str]:
    """Names of the factors within the base, as peft writes them, and the names of the parameters that they are."""
    return {name.partition(".")[2].replace(".default.", "."): name for name in trained(module)}


def _targets(module: WordModule, adapted: set[str]) -> list[str]:
    """What peft has to be told to adapt: the last parts of the names, or whole names where others end the same."""
    from torch.nn import Linear

    last = {name.rpartition(".")[2] for name in adapted}
    linear = {name for name, each in module.base.named_modules() if isinstance(each, Linear)}
    alike = {name for name in linear if name.rpartition(".")[2] in last}
    return sorted(last if alike == adapted else adapted)
