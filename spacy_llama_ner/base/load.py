"""Bases in memory: one copy of the weights for all who name the same base."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import torch

# A PreTrainedModel of transformers with the Llama layout; that class hides from type checkers that it is a module.
Decoder: TypeAlias = Any

_LOADED: WeakValueDictionary[tuple, Decoder] = WeakValueDictionary()
_LOCK = threading.Lock()


def load_shared(
    folder: Path,
    fingerprint: str,
    *,
    dtype: torch.dtype,
    device: torch.device,
) -> Decoder:
    """The base in `folder`, frozen. All who ask for the same fingerprint, dtype and device get the same object.

    Raises OSError where the weights are incomplete or cannot be read.
    """
    key = (fingerprint, dtype, str(device))
    with _LOCK:
        model = _LOADED.get(key)
        if model is None:
            model = _load(folder, dtype=dtype).to(device)
            model.requires_grad_(False)
            _LOADED[key] = model
    return model


def own_copy(model: Decoder) -> Decoder:
    """A module tree of its own over the same tensors: hooks and adapters put into it stay in it."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _load(folder: Path, *, dtype: torch.dtype) -> Decoder:
    import transformers
    from packaging.version import Version
    from safetensors import SafetensorError

    dtype_argument = "dtype" if Version(transformers.__version__) >= Version("4.56") else "torch_dtype"
    try:
        with _no_progress_bar():
            model, info = transformers.AutoModel.from_pretrained(
                folder,
                **{dtype_argument: dtype},
                attn_implementation="eager",
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
            "Expected is a complete decoder; fetch the base again or name another one."
        )
    return model


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keep `spacy.load` as quiet as it is for other pipelines."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
