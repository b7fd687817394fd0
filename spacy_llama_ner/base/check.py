"""Whether a folder holds a decoder that this package can tune."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .errors import BaseModelError
from .weights import check_whole, weight_files

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
# model_type of decoders with the Llama layout: pre-norm layers in `model.layers`, each with `self_attn`
# (q_proj, k_proj, v_proj, o_proj) and `mlp` (gate_proj, up_proj, down_proj), rotary positions, a causal mask
DECODERS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3")
ENCODERS = (
    "bert", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "electra", "deberta", "deberta-v2",
    "mpnet", "modernbert", "eurobert", "nomic_bert", "longformer", "big_bird", "ernie", "funnel", "layoutlm",
)  # fmt: skip
ROPE_PARAMETERS_SINCE = 5


def check_decoder(folder: Path) -> None:
    """Raise BaseModelError unless `folder` holds a base that can be used. Nothing is loaded.

    Expected are a config of a model type in `DECODERS`, a fast tokenizer (tokenizer.json) and safetensors
    weights that are as long as their headers say. A config that wants code of its own is
    refused, as are pickles.
    """
    config = read_config(folder)
    _check_type(folder, config)
    _check_code(folder, config)
    if not (folder / TOKENIZER).is_file():
        raise BaseModelError(
            f"{folder} has no {TOKENIZER}, the fast tokenizer that gives character offsets. Save it there "
            "with transformers (`AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)`), or name "
            "another base."
        )
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


def _check_type(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if kind in DECODERS:
        return
    if kind in ENCODERS:
        what = f"a {kind}, which is an encoder: use it through spacy-transformers instead"
    elif config.get("is_encoder_decoder"):
        what = f"a {kind}, which is an encoder-decoder"
    elif "text_config" in config:
        what = f"a {kind}, which is multimodal: name its text-only version"
    elif kind is None:
        what = "a model that does not say its `model_type`"
    else:
        what = f"a {kind}"
    raise BaseModelError(
        f"The base in {folder} is {what}. Expected is a decoder with the Llama layout, that is a "
        f"`model_type` among {', '.join(DECODERS)}."
    )


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
