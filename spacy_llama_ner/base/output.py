"""The output layer of a decoder: what turns a vector into a score for each subword."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .errors import BaseModelError
from .load import Decoder
from .weights import weight_files

if TYPE_CHECKING:
    from torch import Tensor

NAME = "lm_head.weight"
_LOADED: WeakValueDictionary[tuple[str, str, str], Tensor] = WeakValueDictionary()
_LOCK = threading.Lock()


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
        weight = _LOADED.get(key)
        for file in [] if weight is not None else weight_files(folder):
            with safe_open(file, framework="pt") as tensors:
                if NAME in tensors.keys():  # noqa: SIM118
                    weight = tensors.get_tensor(NAME).to(embeddings.device, embeddings.dtype)
                    _LOADED[key] = weight
    if weight is None:
        raise BaseModelError(
            f"The base in {folder} has no output layer ({NAME}), so it cannot write. It was saved without it: name "
            "the whole model, or use `llama_ner`, which needs none."
        )
    return weight
