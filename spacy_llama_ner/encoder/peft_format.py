"""Adapters on disk in the layout of peft: adapter_config.json and adapter_model.safetensors.

https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.load import LAYERS
from ..data.errors import LlamaNERError
from ..shim.torch_shim import copy_state, fill, trained
from .lora import LoRA

if TYPE_CHECKING:
    from torch import Tensor

    from .modules import WordEncoder
    from .settings import Settings

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
FACTOR = re.compile(
    rf"(?:^|.*\.)(?P<path>{'|'.join(map(re.escape, LAYERS))})\.(?P<layer>\d+)\.(?P<module>.+)"
    r"\.lora_(?P<factor>[AB])\.weight"
)
# What cannot be a head's.
INSIDE = re.compile(r"lora_|layer|embed|norm")
# Settings of peft that change nothing in what was trained, or that are read below. Whatever else is switched on in a
# config makes an adapter that this package would compute wrongly.
KNOWN = {
    "peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping",
    "runtime_config", "megatron_core", "qalora_group_size", "ensure_weight_tying", "r", "lora_alpha", "lora_dropout",
    "use_rslora", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save",
    "init_lora_weights", "bias",
}  # fmt: skip
PLAIN = {"bias": ("none",), "init_lora_weights": (True, False, "gaussian", "orthogonal")}


class AdapterError(LlamaNERError):
    """An adapter that is not there, is damaged, or does not fit. The message says what to do."""


@dataclass(frozen=True)
class Adapter:
    """An adapter apart from its base.

    lora: its shape. base, revision: the base that it was trained on, as far as it says so.
    state: its factors, such as `layers.0.self_attn.q_proj.lora_A.weight`.
    left_aside: names of weights that belong to a head of transformers' own, which has no place here.
    """

    lora: LoRA
    base: str | None
    revision: str | None
    state: dict[str, Tensor]
    left_aside: list[str]


def read_adapter(folder: Path) -> Adapter:
    """The adapter in `folder`, written by peft or by `write_adapter`. Raises AdapterError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _read_config(folder)
    if not (folder / WEIGHTS).is_file():
        raise AdapterError(
            f"{folder} has a {CONFIG} but no {WEIGHTS}. Pickles (adapter_model.bin) are never loaded: save it again "
            "with a newer peft (`model.save_pretrained(FOLDER)`), or copy the whole folder."
        )
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{folder / WEIGHTS} is damaged ({error}). Copy the adapter again.") from error
    state, left_aside = _sort(tensors, folder)
    rank = int(config["r"])
    ranks = {tensor.shape[0 if ".lora_A." in name else 1] for name, tensor in state.items()}
    if ranks != {rank}:
        raise AdapterError(
            f"{folder / CONFIG} says r = {rank}, but the weights beside it have the ranks {sorted(ranks)}. Copy the "
            "adapter again; adapters whose rank differs between modules are not supported."
        )
    places = [FACTOR.fullmatch(name) for name in state]
    found = {(int(place["layer"]), place["module"].rpartition(".")[2]) for place in places if place}
    layers, modules = (sorted(set(each)) for each in zip(*found, strict=True))
    if len(found) != len(layers) * len(modules):
        raise AdapterError(
            f"The adapter in {folder} has other modules in some layers than in others. Expected are the same in each "
            "layer that has one, as peft's target_modules with layers_to_transform gives them."
        )
    scale = float(config["lora_alpha"]) / (rank**0.5 if config.get("use_rslora") else rank)
    lora = LoRA(
        rank=rank,
        alpha=scale * rank,
        dropout=float(config.get("lora_dropout") or 0.0),
        target_modules=modules,
        layers=layers,
    )
    base, revision = (config.get(key) for key in ("base_model_name_or_path", "revision"))
    return Adapter(lora, base, revision, state, left_aside)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise AdapterError(
            f"There is no adapter in {folder}: it has no {CONFIG}. Give a folder or Hub repository that peft or "
            "`llama-ner export-adapter` wrote."
        ) from error
    except ValueError as error:
        raise AdapterError(f"{path} is not valid JSON ({error}). Copy the adapter again.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        given = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise AdapterError(f"The adapter in {folder} is of the kind {given!r}. Expected is LORA; train one of those.")
    strange = {key: value for key, value in config.items() if value and key not in KNOWN}
    strange |= {key: config[key] for key, plain in PLAIN.items() if config.get(key, plain[0]) not in plain}
    if strange:
        raise AdapterError(
            f"The adapter in {folder} is more than plain LoRA: {strange}. It would be computed wrongly here. Train "
            "one without biases, patterns, DoRA or other variants, and with a plain start (init_lora_weights)."
        )
    if not all(isinstance(config.get(key), int | float) and config[key] > 0 for key in ("r", "lora_alpha")):
        raise AdapterError(f"{path} lacks r or lora_alpha, numbers above 0. Copy the adapter again.")
    return config


def _sort(tensors: dict[str, Tensor], folder: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The factors by their names within the base, and the names of a head's weights."""
    state, others = {}, []
    for name, tensor in tensors.items():
        place = FACTOR.fullmatch(name)
        if place:
            state["{path}.{layer}.{module}.lora_{factor}.weight".format(**place.groupdict())] = tensor
        else:
            others.append(name)
    inner = [name for name in others if INSIDE.search(name)]
    if inner or not state:
        raise AdapterError(
            f"{folder / WEIGHTS} holds {'weights of the base itself: ' + str(inner[:3]) if inner else 'no adapter'}. "
            "Expected are LoRA factors of linear modules in the layers, and at most a head besides."
        )
    return state, others


def write_adapter(module: WordEncoder, settings: Settings, folder: Path) -> None:
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


def load_adapter(module: WordEncoder, adapter: Adapter) -> None:
    """Give an encoder with a fresh adapter of the same shape the weights of `adapter`. Raises AdapterError."""
    names = _names(module)
    try:
        fill(module, {names.get(name, name): tensor for name, tensor in adapter.state.items()})
    except ValueError as error:
        trained_on = f", having been trained on {adapter.base!r}" if adapter.base else ""
        raise AdapterError(
            f"The adapter does not fit this base{trained_on}. Name the base that it belongs to.\n{error}"
        ) from error


def _names(module: WordEncoder) -> dict[str, str]:
    """Names of the factors within the base, as peft writes them, and the names of the parameters that they are."""
    return {name.partition(".")[2].replace(".default.", "."): name for name in trained(module)}


def _targets(module: WordEncoder, adapted: set[str]) -> list[str]:
    """What peft has to be told to adapt: the last parts of the names, or whole names where others end the same."""
    from torch.nn import Linear

    last = {name.rpartition(".")[2] for name in adapted}
    linear = {name for name, each in module.base.named_modules() if isinstance(each, Linear)}
    alike = {name for name in linear if name.rpartition(".")[2] in last}
    return sorted(last if alike == adapted else adapted)
