"""Whether a folder holds a base that this package can tune."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .cache import file_sha256
from .errors import BaseModelError


@dataclass(frozen=True)
class Kind:
    """Bases that one architecture reads.

    what: what a person would call one.
    architecture: the registered layer that reads it.
    model_types: as config.json names them.
    """

    what: str
    architecture: str
    model_types: tuple[str, ...]


# pre-norm layers in `layers`, each with `self_attn` (q_proj, k_proj, v_proj, o_proj) and `mlp` (gate_proj, up_proj,
# down_proj), rotary positions, a causal mask
DECODER = Kind(
    "a decoder with the Llama layout",
    "spacy_llama_ner.LlamaEncoder.v1",
    ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3"),
)
# every subword sees the whole window; learned absolute positions
ENCODER = Kind(
    "an encoder of the BERT family",
    "spacy_llama_ner.TransformerEncoder.v1",
    ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra"),
)
KINDS = (DECODER, ENCODER)

OTHER_ENCODERS = (
    "albert", "deberta", "deberta-v2", "mpnet", "modernbert", "eurobert", "nomic_bert", "longformer", "big_bird",
    "ernie", "funnel", "layoutlm",
)  # fmt: skip
# their class makes a pooler, which nobody here reads and which many of them are published without
WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert")


SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# the safetensors format's own limit for the header
MAX_HEADER = 100_000_000


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of the base in `folder`: model.safetensors, or the shards of its index by name.

    Raises BaseModelError if there are none, or one that the index names is not there.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise BaseModelError(_no_weights(folder))
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf8"))
        names = {str(name) for name in index["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseModelError(
            f"{folder / INDEX} is damaged ({error!r}). Expected is the JSON index that safetensors shards "
            "come with; fetch or copy the base again."
        ) from error
    missing = sorted(name for name in names if Path(name).name != name or not (folder / name).is_file())
    if missing or not names:
        raise BaseModelError(
            f"{folder} lacks weights that {INDEX} names: {', '.join(missing) or 'it names none'}. Fetch or "
            "copy the base again."
        )
    return [folder / name for name in sorted(names)]


def check_whole(file: Path) -> None:
    """Raise BaseModelError if a safetensors file is shorter or longer than its header says."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header: dict[str, Any] = json.loads(stream.read(length)) if length <= MAX_HEADER else {}
        ends = [tensor["data_offsets"][1] for key, tensor in header.items() if key != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        expected = -1
    if size != expected:
        said = f"its header speaks of {expected:,}" if expected >= 0 else "its header cannot be read"
        raise BaseModelError(
            f"{file} is damaged: it has {size:,} bytes, and {said}. Delete it, then fetch or copy the base again."
        )


def _no_weights(folder: Path) -> str:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return (
            f"{folder} holds its weights only as a pickle ({', '.join(pickles[:3])}), which can run any code "
            "when it is read and is never loaded. Expected is model.safetensors: choose a revision that has "
            "it, or convert the base with transformers (`model.save_pretrained(FOLDER, "
            "safe_serialization=True)`)."
        )
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    found = f" (found: {', '.join(others[:3])})" if others else ""
    return (
        f"{folder} holds no weights{found}. Expected is {SINGLE}, or {INDEX} with the shards it names; copy "
        "the base again, or name another one."
    )


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


# who wrote a config, not what it says
PROVENANCE = ("transformers_version", "_name_or_path")


def fingerprint(folder: Path) -> str:
    """Hex SHA-256 over the config and the content of the weights of the base in `folder`.

    The same for a copy in another folder, whatever version of transformers reads it. The weights' own digests
    are remembered, so that a second call reads no weights. Raises BaseModelError if the config or weights are
    not there.
    """
    config = {key: value for key, value in read_config(folder).items() if key not in PROVENANCE}
    weights = {file.name: file_sha256(file) for file in weight_files(folder)}
    content = json.dumps({"config": config, "weights": weights}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode("ascii")).hexdigest()
