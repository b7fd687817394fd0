"""Whether a folder holds a base that this package can tune."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .errors import BaseModelError
from .kinds import DECODER, KINDS, OTHER_ENCODERS, Kind
from .weights import check_whole, weight_files

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
ROPE_PARAMETERS_SINCE = 5


def check_decoder(folder: Path) -> None:
    """`check_base` for a decoder with the Llama layout."""
    check_base(folder, DECODER)


def check_base(folder: Path, kind: Kind | None = None) -> None:
    """Raise BaseModelError unless `folder` holds a base that can be used. Nothing is loaded.

    Expected are a config of one of the model types of `kind` (null: of any kind), a fast tokenizer
    (tokenizer.json) and safetensors weights that are as long as their headers say. A config that wants code of
    its own is refused, as are pickles.
    """
    config = read_config(folder)
    _check_type(folder, config, KINDS if kind is None else (kind,))
    _check_code(folder, config)
    if not (folder / TOKENIZER).is_file():
        raise BaseModelError(
            f"{folder} has no {TOKENIZER}, the fast tokenizer that gives character offsets. Save it there "
            "with transformers (`AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)`), or name "
            "another base."
        )
    if not (folder / TOKENIZER).read_bytes().rstrip().endswith(b"}"):
        raise BaseModelError(f"{folder / TOKENIZER} is empty or cut off. Fetch or copy the base again.")
    for file in weight_files(folder):
        check_whole(file)


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a base. Raises BaseModelError if it is not there or is no JSON object."""
    path = folder / CONFIG
    if not path.is_file():
        raise BaseModelError(
            f"{folder} has no {CONFIG}, so it is not a base. Expected is a folder as transformers writes it: "
            f"{CONFIG}, {TOKENIZER} and model.safetensors."
        )
    try:
        config = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise BaseModelError(f"{path} is not valid JSON ({error}). Fetch or copy the base again.") from error
    if not isinstance(config, dict):
        raise BaseModelError(f"{path} holds no JSON object. Fetch or copy the base again.")
    return config


def _check_type(folder: Path, config: dict[str, Any], kinds: tuple[Kind, ...]) -> None:
    given = config.get("model_type")
    if any(given in kind.model_types for kind in kinds):
        return
    other = next((kind for kind in KINDS if given in kind.model_types), None)
    if other is not None:
        what = f"a {given}, which is {other.what}: use {other.architecture} for it"
    elif given in OTHER_ENCODERS:
        what = f"a {given}, which is an encoder: use it through spacy-transformers instead"
    elif config.get("is_encoder_decoder"):
        what = f"a {given}, which is an encoder-decoder"
    elif "text_config" in config:
        what = f"a {given}, which is multimodal: name its text-only version"
    elif given is None:
        what = "a model that does not say its `model_type`"
    else:
        what = f"a {given}"
    expected = [f"{kind.what}, that is a `model_type` among {', '.join(kind.model_types)}" for kind in kinds]
    raise BaseModelError(f"The base in {folder} is {what}. Expected is {'; or '.join(expected)}.")


def _check_code(folder: Path, config: dict[str, Any]) -> None:
    if config.get("auto_map"):
        raise BaseModelError(
            f"The base in {folder} brings Python code of its own (`auto_map` in its {CONFIG}), which is "
            "never run. Name a base that transformers knows by itself."
        )
    if method := (config.get("quantization_config") or {}).get("quant_method"):
        raise BaseModelError(
            f"The weights in {folder} are quantized ({method}), which needs packages and kernels of its own. "
            "Name the base they were made from, or a GGUF file, whose weights are unpacked."
        )
    # Transformers before 5 passes over this key and takes a default: a model that runs, and is wrong.
    rope = config.get("rope_parameters")
    major = int(version("transformers").split(".")[0])
    if rope and "rope_theta" not in config and major < ROPE_PARAMETERS_SINCE:
        raise BaseModelError(
            f"The base in {folder} was saved by transformers 5 (`rope_parameters` in its {CONFIG}), and "
            f"transformers {version('transformers')} would read its positions wrongly. Install "
            "transformers>=5, or use the base as it was first published."
        )
