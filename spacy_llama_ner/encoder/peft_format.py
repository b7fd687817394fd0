"""LoRA adapters on disk in the format of peft: adapter_config.json and adapter_model.safetensors.

`read_adapter` reads what peft or `write_adapter` wrote, and `load_adapter` gives its weights to an encoder. See
https://huggingface.co/docs/peft/developer_guides/checkpoint.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.load import LAYER_PATHS
from ..data.errors import LlamaNERError
from ..shim.torch_shim import load_trainable_state, trainable_parameters, trainable_state
from .lora import LoRA

if TYPE_CHECKING:
    from torch import Tensor

    from .modules import WordEncoder
    from .settings import Settings

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

# names of factors, whatever model the base was part of
_FACTOR = re.compile(
    rf"(?:^|.*\.)(?P<path>{'|'.join(map(re.escape, LAYER_PATHS))})\.(?P<layer>\d+)\.(?P<module>.+)"
    r"\.lora_(?P<factor>[AB])\.weight"
)
# parts of names that weights of a head cannot have
_NOT_A_HEAD = re.compile(r"lora_|layer|embed|norm")
# Settings of peft that change nothing in what was trained, or that are read below. Whatever else is switched on in a
# config makes an adapter that this package would compute wrongly.
_KNOWN_SETTINGS = {
    "peft_type", "task_type", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping",
    "runtime_config", "megatron_core", "qalora_group_size", "ensure_weight_tying", "r", "lora_alpha", "lora_dropout",
    "use_rslora", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save",
    "init_lora_weights", "bias",
}  # fmt: skip
_PLAIN_VALUES = {"bias": ("none",), "init_lora_weights": (True, False, "gaussian", "orthogonal")}


class AdapterError(LlamaNERError):
    """An adapter that is not there, is damaged, or does not fit. The message says what to do."""


@dataclass(frozen=True)
class Adapter:
    """An adapter without its base.

    Attributes:
        lora: Its shape.
        base: Name of the base that it was trained on, if the config has one.
        revision: Branch, tag or commit of that base, if the config has one.
        state: Its factors by names such as `layers.0.self_attn.q_proj.lora_A.weight`.
        ignored_weights: Names of further weights in the file, of a head of transformers that is not used here.
    """

    lora: LoRA
    base: str | None
    revision: str | None
    state: dict[str, Tensor]
    ignored_weights: list[str]


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter.

    Args:
        folder: A folder that peft or `write_adapter` wrote.

    Returns:
        The adapter, with its scale as `lora.alpha / lora.rank`.

    Raises:
        AdapterError: If there is no adapter, it is damaged, or it is more than plain LoRA.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _read_config(folder)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise AdapterError(
            f"{folder} has a {ADAPTER_CONFIG} but no {ADAPTER_WEIGHTS}. Pickles (adapter_model.bin) are never "
            "loaded: save it again with a newer peft (`model.save_pretrained(FOLDER)`), or copy the whole folder."
        )
    try:
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{folder / ADAPTER_WEIGHTS} is damaged ({error}). Copy the adapter again.") from error
    state, ignored_weights = _split_weights(tensors, folder)
    rank = int(config["r"])
    ranks = {tensor.shape[0 if ".lora_A." in name else 1] for name, tensor in state.items()}
    if ranks != {rank}:
        raise AdapterError(
            f"{folder / ADAPTER_CONFIG} says r = {rank}, but the weights beside it have the ranks {sorted(ranks)}. "
            "Copy the adapter again; adapters whose rank differs between modules are not supported."
        )
    places = [_FACTOR.fullmatch(name) for name in state]
    found = {(int(place["layer"]), place["module"].rpartition(".")[2]) for place in places if place}
    layers, modules = (sorted(set(each)) for each in zip(*found, strict=True))
    if len(found) != len(layers) * len(modules):
        raise AdapterError(
            f"The adapter in {folder} has other modules in some layers than in others. Expected are the same modules "
            "in each layer that has an adapter, as peft's target_modules with layers_to_transform gives them."
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
    return Adapter(lora, base, revision, state, ignored_weights)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise AdapterError(
            f"There is no adapter in {folder}: it has no {ADAPTER_CONFIG}. Give a folder or Hub repository that peft "
            "or `llama-ner export-adapter` wrote."
        ) from error
    except ValueError as error:
        raise AdapterError(f"{path} is not valid JSON ({error}). Copy the adapter again.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        given = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise AdapterError(
            f"The adapter in {folder} has peft_type = {given!r}. Expected is 'LORA'; train one of those."
        )
    strange = {key: value for key, value in config.items() if value and key not in _KNOWN_SETTINGS}
    strange |= {key: config[key] for key, plain in _PLAIN_VALUES.items() if config.get(key, plain[0]) not in plain}
    if strange:
        raise AdapterError(
            f"The adapter in {folder} is more than plain LoRA: {strange}. It would be computed wrongly here. Train "
            "one without biases, patterns, DoRA or other variants, and with a plain init_lora_weights."
        )
    if not all(isinstance(config.get(key), int | float) and config[key] > 0 for key in ("r", "lora_alpha")):
        raise AdapterError(f"{path} lacks r or lora_alpha, numbers above 0. Copy the adapter again.")
    return config


def _split_weights(tensors: dict[str, Tensor], folder: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The factors by their names within the base, and the names of all other weights, which can only be a head's."""
    state, others = {}, []
    for name, tensor in tensors.items():
        place = _FACTOR.fullmatch(name)
        if place:
            state["{path}.{layer}.{module}.lora_{factor}.weight".format(**place.groupdict())] = tensor
        else:
            others.append(name)
    inner = [name for name in others if _NOT_A_HEAD.search(name)]
    if inner or not state:
        content = f"weights of the base itself: {inner[:3]}" if inner else "no adapter"
        raise AdapterError(
            f"{folder / ADAPTER_WEIGHTS} holds {content}. "
            "Expected are LoRA factors of linear modules in the layers, and at most a head besides."
        )
    return state, others


def write_adapter(module: WordEncoder, settings: Settings, folder: Path) -> None:
    """Write the adapter of an encoder in the format of peft.

    `PeftModel.from_pretrained(AutoModel.from_pretrained(BASE), folder)` loads it; whether the mask is causal is up to
    the caller of that model.

    Args:
        module: The encoder.
        settings: The settings that it was built from.
        folder: A folder that exists; files of an adapter in it are replaced.

    Raises:
        AdapterError: If the encoder has no adapter, or more than its adapter is trained.
    """
    from peft import LoraConfig
    from safetensors.torch import save

    lora = settings.lora
    if lora is None or settings.unfreeze_layers:
        what = "lora = null" if lora is None else f"unfreeze_layers = {settings.unfreeze_layers}"
        raise AdapterError(
            f"The encoder has {what}. The format of peft holds a LoRA adapter and nothing else that is trained. Save "
            "the whole pipeline with `nlp.to_disk` instead."
        )
    names = _parameter_names(module)
    state = trainable_state(module)
    weights = {f"base_model.model.{name}": state[own] for name, own in names.items()}
    # not `save_file`, whose files only their owner can read (safetensors issue 782)
    (folder / ADAPTER_WEIGHTS).write_bytes(save(weights, {"format": "pt"}))
    config: dict[str, Any] = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=_target_modules(module, {name.rpartition(".lora_")[0] for name in names}),
        base_model_name_or_path=settings.base,
        revision=settings.revision,
        task_type="FEATURE_EXTRACTION",
        inference_mode=True,
    ).to_dict()
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True), encoding="utf8")


def load_adapter(module: WordEncoder, adapter: Adapter) -> None:
    """Load the weights of an adapter into an encoder.

    Args:
        module: An encoder with an adapter of the same shape.
        adapter: The adapter.

    Raises:
        AdapterError: If the weights do not fit.
    """
    names = _parameter_names(module)
    try:
        load_trainable_state(module, {names.get(name, name): tensor for name, tensor in adapter.state.items()})
    except ValueError as error:
        trained_on = f", having been trained on {adapter.base!r}" if adapter.base else ""
        raise AdapterError(
            f"The adapter does not fit this base{trained_on}. Name the base that it belongs to.\n{error}"
        ) from error


def _parameter_names(module: WordEncoder) -> dict[str, str]:
    """The names of an encoder's factors within the base, as peft writes them, with the names of its parameters."""
    return {name.partition(".")[2].replace(".default.", "."): name for name in trainable_parameters(module)}


def _target_modules(module: WordEncoder, adapted: set[str]) -> list[str]:
    """Peft's target_modules: the last parts of the names, or whole names if other modules' names end the same."""
    from torch.nn import Linear

    last = {name.rpartition(".")[2] for name in adapted}
    linear = {name for name, each in module.base.named_modules() if isinstance(each, Linear)}
    alike = {name for name in linear if name.rpartition(".")[2] in last}
    return sorted(last if alike == adapted else adapted)
