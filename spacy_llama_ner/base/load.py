"""Bases in memory: one frozen copy of the weights for all who use the same base.

`load_shared` gives the layers, `load_output_weight` a decoder's output layer, `load_generator` a whole model that
generates text. `copy_sharing_weights` makes modules of one's own over shared weights, to put adapters and hooks into.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

from .check import MODEL_TYPES_WITH_POOLER, read_config, weight_files
from .errors import BaseModelError
from .quantize import Quantization, quantize

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# A PreTrainedModel of transformers; that class hides from type checkers that it is a module.
Pretrained: TypeAlias = Any
# One with the Llama layout.
Decoder: TypeAlias = Pretrained

# where a base has its list of layers, for all model types of `check.KINDS`
LAYER_PATHS = ("layers", "encoder.layer", "transformer.layer")
OUTPUT_WEIGHT_NAME = "lm_head.weight"

_BASES: WeakValueDictionary[tuple, Pretrained] = WeakValueDictionary()
_OUTPUT_WEIGHTS: WeakValueDictionary[tuple[str, str, str], Tensor] = WeakValueDictionary()
_LOCK = threading.Lock()


def load_shared(
    folder: Path,
    fingerprint: str,
    *,
    dtype: torch.dtype,
    device: torch.device,
    quantization: Quantization | None = None,
) -> Pretrained:
    """Load a base, frozen, without its output layer.

    All who ask with the same last four arguments get the same object, as long as somebody holds it.

    Args:
        folder: The folder of the base.
        fingerprint: What `check.fingerprint` gives for it.
        dtype: Number format of the weights.
        device: Where the weights are.
        quantization: How linear modules are quantized. None leaves them as they are.

    Raises:
        OSError: If weights are missing or cannot be read.
        BaseModelError: If they cannot be quantized.
    """
    key = (fingerprint, dtype, str(device), quantization)
    with _LOCK:
        model = _BASES.get(key)
        if model is None:
            model = _load(folder, dtype=dtype)
            model.requires_grad_(False)
            if quantization is not None:
                quantize(find_layers(model)[1], quantization, dtype=dtype, device=device)
            model.to(device)
            _BASES[key] = model
    return model


def load_output_weight(folder: Path, fingerprint: str, decoder: Decoder) -> Tensor:
    """Load the weight of a decoder's output layer, frozen.

    Args:
        folder: The folder of the base.
        fingerprint: What `check.fingerprint` gives for it.
        decoder: The base as `load_shared` gives it.

    Returns:
        [n_subwords, hidden], in the number format and on the device of `decoder`. If the base ties it to its
        embeddings, it is their weight; otherwise all who use the same base get the same object.

    Raises:
        BaseModelError: If the base was saved without an output layer.
    """
    from safetensors import safe_open

    embeddings: Tensor = decoder.get_input_embeddings().weight
    if decoder.config.tie_word_embeddings:
        return embeddings
    key = (fingerprint, str(embeddings.dtype), str(embeddings.device))
    with _LOCK:
        weight = _OUTPUT_WEIGHTS.get(key)
        for file in [] if weight is not None else weight_files(folder):
            with safe_open(file, framework="pt") as tensors:
                if OUTPUT_WEIGHT_NAME in tensors.keys():  # noqa: SIM118
                    weight = tensors.get_tensor(OUTPUT_WEIGHT_NAME).to(embeddings.device, embeddings.dtype)
                    _OUTPUT_WEIGHTS[key] = weight
    if weight is None:
        raise BaseModelError(
            f"The base in {folder} has no output layer ({OUTPUT_WEIGHT_NAME}), so it cannot generate text. It was "
            "saved without it: name the whole model, or use `llama_ner`, which needs none."
        )
    return weight


def load_generator(folder: Path, *, dtype: torch.dtype, device: torch.device) -> Pretrained:
    """Load a decoder with its causal mask and its output layer, to generate text with. It is not shared.

    Args:
        folder: The folder of the base.
        dtype: Number format of the weights.
        device: Where the weights are.

    Raises:
        OSError: If weights are missing or cannot be read.
    """
    model = _load(folder, dtype=dtype, auto_class="AutoModelForCausalLM", attention="sdpa").to(device)
    return model.requires_grad_(False).eval()


def copy_sharing_weights(model: Pretrained) -> Pretrained:
    """Copy the modules of a model but not its tensors: hooks and adapters that are put into the copy stay in it."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def find_layers(model: Pretrained) -> tuple[str, Any]:
    """Find the list of layers of a base.

    Returns:
        Its path among the modules (one of `LAYER_PATHS`) and the list, the lowest layer first.

    Raises:
        ValueError: If it is at none of these paths.
    """
    for path in LAYER_PATHS:
        with suppress(AttributeError):
            return path, model.get_submodule(path)
    raise ValueError(f"{type(model).__name__} has its layers in none of {', '.join(LAYER_PATHS)}; name another base.")


def _load(folder: Path, *, dtype: torch.dtype, auto_class: str = "AutoModel", attention: str = "eager") -> Pretrained:
    import transformers
    from packaging.version import Version
    from safetensors import SafetensorError

    # transformers renamed the argument
    dtype_key = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    options: dict[str, Any] = {dtype_key: dtype}
    if read_config(folder).get("model_type") in MODEL_TYPES_WITH_POOLER:
        options["add_pooling_layer"] = False
    try:
        with _transformers_silenced():
            model, info = getattr(transformers, auto_class).from_pretrained(
                folder,
                **options,
                attn_implementation=attention,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise OSError(
            f"The base in {folder} cannot be read ({error}). Delete that folder and fetch the base again with "
            "`python -m spacy llama-ner fetch NAME`."
        ) from error
    if missing := sorted(info["missing_keys"]):
        raise OSError(
            f"The base in {folder} lacks {len(missing)} weights of its own config, among them {missing[:3]}. "
            "Expected is a complete model; fetch the base again or name another one."
        )
    return model


@contextmanager
def _transformers_silenced() -> Iterator[None]:
    """Keep `spacy.load` as quiet as it is for other pipelines. `_load` itself reports missing weights."""
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
