"""Bases in memory: one copy of the weights for all who name the same base."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

from .check import WITH_POOLER, read_config, weight_files
from .errors import BaseModelError
from .quantize import Quantization, quantize

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# A PreTrainedModel of transformers; that class hides from type checkers that it is a module.
Pretrained: TypeAlias = Any
# One with the Llama layout.
Decoder: TypeAlias = Pretrained
# Where the layers of the model types in `kinds` are.
LAYERS = ("layers", "encoder.layer", "transformer.layer")

_LOADED: WeakValueDictionary[tuple, Pretrained] = WeakValueDictionary()
_LOCK = threading.Lock()


def load_shared(
    folder: Path,
    fingerprint: str,
    *,
    dtype: torch.dtype,
    device: torch.device,
    quantization: Quantization | None = None,
) -> Pretrained:
    """The base in `folder`, frozen. All who ask for the same by the last four arguments get the same object.

    Raises OSError where the weights are incomplete or cannot be read, BaseModelError where they cannot be quantised.
    """
    key = (fingerprint, dtype, str(device), quantization)
    with _LOCK:
        model = _LOADED.get(key)
        if model is None:
            model = _load(folder, dtype=dtype)
            model.requires_grad_(False)
            if quantization is not None:
                quantize(layers_of(model)[1], quantization, dtype=dtype, device=device)
            model.to(device)
            _LOADED[key] = model
    return model


def load_generator(folder: Path, *, dtype: torch.dtype, device: torch.device) -> Pretrained:
    """The decoder in `folder` with its causal mask and its output layer, to generate text with; nobody shares it.

    Raises OSError where the weights are incomplete or cannot be read.
    """
    model = _load(folder, dtype=dtype, kind="AutoModelForCausalLM", attention="sdpa").to(device)
    return model.requires_grad_(False).eval()


def own_copy(model: Pretrained) -> Pretrained:
    """A module tree of its own over the same tensors: hooks and adapters put into it stay in it."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def layers_of(model: Pretrained) -> tuple[str, Any]:
    """Name and content of the list of layers of a base, the lowest first."""
    for name in LAYERS:
        with suppress(AttributeError):
            return name, model.get_submodule(name)
    raise ValueError(f"{type(model).__name__} has its layers in none of {', '.join(LAYERS)}; name another base.")


def _load(folder: Path, *, dtype: torch.dtype, kind: str = "AutoModel", attention: str = "eager") -> Pretrained:
    import transformers
    from packaging.version import Version
    from safetensors import SafetensorError

    how: dict[str, Any] = {"dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype": dtype}
    if read_config(folder).get("model_type") in WITH_POOLER:
        how["add_pooling_layer"] = False
    try:
        with _quiet():
            model, info = getattr(transformers, kind).from_pretrained(
                folder,
                **how,
                attn_implementation=attention,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise OSError(
            f"The base in {folder} cannot be read ({error}). Delete that folder and fetch the base again with "
            "`python -m spacy llama-ner fetch OUTPUT_WEIGHT`."
        ) from error
    if missing := sorted(info["missing_keys"]):
        raise OSError(
            f"The base in {folder} lacks {len(missing)} weights of its own config, among them {missing[:3]}. "
            "Expected is a complete model; fetch the base again or name another one."
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep `spacy.load` as quiet as it is for other pipelines. What is missing, `_load` says itself."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


OUTPUT_WEIGHT = "lm_head.weight"
_OUTPUTS: WeakValueDictionary[tuple[str, str, str], Tensor] = WeakValueDictionary()


def load_output(folder: Path, fingerprint: str, decoder: Decoder) -> Tensor:
    """The weight of the output layer, [n_subwords, hidden], frozen, in the format and on the device of `decoder`.

    decoder: the shared base in `folder`. Where it ties the two, the weight is that of its own embeddings; otherwise
        all who stand on the same base get the same object. Raises BaseModelError where there is none.
    """
    from safetensors import safe_open

    embeddings: Tensor = decoder.get_input_embeddings().weight
    if decoder.config.tie_word_embeddings:
        return embeddings
    key = (fingerprint, str(embeddings.dtype), str(embeddings.device))
    with _LOCK:
        weight = _OUTPUTS.get(key)
        for file in [] if weight is not None else weight_files(folder):
            with safe_open(file, framework="pt") as tensors:
                if OUTPUT_WEIGHT in tensors.keys():  # noqa: SIM118
                    weight = tensors.get_tensor(OUTPUT_WEIGHT).to(embeddings.device, embeddings.dtype)
                    _OUTPUTS[key] = weight
    if weight is None:
        raise BaseModelError(
            f"The base in {folder} has no output layer ({OUTPUT_WEIGHT}), so it cannot write. It was saved "
            "without it: name the whole model, or use `llama_ner`, which needs none."
        )
    return weight
