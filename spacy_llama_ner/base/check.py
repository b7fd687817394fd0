"""Checks of a base on disk: whether it can be used, of which kind it is, and its fingerprint. Loads no weights."""

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

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
SAFE_WEIGHTS = "model.safetensors"
SAFE_WEIGHTS_INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# bytes: the safetensors format's own limit for the header
MAX_HEADER = 100_000_000
# major version of transformers that writes and reads `rope_parameters`
ROPE_PARAMETERS_SINCE = 5
# keys of a config that say who wrote it, not what the model is
PROVENANCE = ("transformers_version", "_name_or_path")


@dataclass(frozen=True)
class BaseKind:
    """Bases that the same architecture of this package reads.

    Attributes:
        description: What such a base is called in messages, with its article.
        architecture: Registered name of the layer that reads it.
        model_types: Values of `model_type` in config.json.
    """

    description: str
    architecture: str
    model_types: tuple[str, ...]


# pre-norm layers in `layers`, each with `self_attn` (q_proj, k_proj, v_proj, o_proj) and `mlp` (gate_proj, up_proj,
# down_proj), rotary positions, a causal mask
DECODER = BaseKind(
    "a decoder with the Llama layout",
    "spacy_llama_ner.LlamaEncoder.v1",
    ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3"),
)
# every subword sees the whole window; learned absolute positions
ENCODER = BaseKind(
    "an encoder of the BERT family",
    "spacy_llama_ner.TransformerEncoder.v1",
    ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra"),
)
KINDS = (DECODER, ENCODER)
OTHER_ENCODERS = (
    "albert", "deberta", "deberta-v2", "mpnet", "modernbert", "eurobert", "nomic_bert", "longformer", "big_bird",
    "ernie", "funnel", "layoutlm",
)  # fmt: skip
# their classes in transformers make a pooler, which nothing here reads and many checkpoints lack
MODEL_TYPES_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert")


def check_base(folder: Path, kind: BaseKind | None = None) -> None:
    """Check that a folder holds a base that can be used.

    Expected are a config, a fast tokenizer (tokenizer.json) and safetensors weights that are as long as their headers
    say. Pickles are refused, and so are configs that bring their own code or describe quantized weights.

    Args:
        folder: The folder.
        kind: What the base has to be. None accepts all `KINDS`.

    Raises:
        BaseModelError: If something is missing, damaged, refused or of another kind.
    """
    config = read_config(folder)
    _check_type(folder, config, KINDS if kind is None else (kind,))
    _check_loadable(folder, config)
    if not (folder / TOKENIZER).is_file():
        raise BaseModelError(
            f"{folder} has no {TOKENIZER}, the fast tokenizer that gives character offsets. Save it there "
            "with transformers (`AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)`), or name "
            "another base."
        )
    if not (folder / TOKENIZER).read_bytes().rstrip().endswith(b"}"):
        raise BaseModelError(f"{folder / TOKENIZER} is empty or cut off. Fetch or copy the base again.")
    for file in weight_files(folder):
        check_safetensors(file)


def check_decoder(folder: Path) -> None:
    """Check that a folder holds a decoder with the Llama layout; see `check_base`."""
    check_base(folder, DECODER)


def fingerprint(folder: Path) -> str:
    """Return the fingerprint of a base: the SHA-256 over its config and the content of its weights.

    It is the same for a copy in another folder, and under every version of transformers. The digests of the weights
    are remembered, so that a second call does not read them.

    Args:
        folder: The folder of the base.

    Returns:
        64 hexadecimal digits.

    Raises:
        BaseModelError: If the config or the weights are missing or damaged.
    """
    config = {key: value for key, value in read_config(folder).items() if key not in PROVENANCE}
    weights = {file.name: file_sha256(file) for file in weight_files(folder)}
    content = json.dumps({"config": config, "weights": weights}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """Read the config.json of a base.

    Raises:
        BaseModelError: If it is missing or is not a JSON object.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise BaseModelError(
            f"{folder} has no {CONFIG}, so it is not a base. Expected is a folder as transformers writes it: "
            f"{CONFIG}, {TOKENIZER} and {SAFE_WEIGHTS}."
        )
    try:
        config = json.loads(path.read_text(encoding="utf8"))
    except ValueError as error:
        raise BaseModelError(f"{path} is not valid JSON ({error}). Fetch or copy the base again.") from error
    if not isinstance(config, dict):
        raise BaseModelError(f"{path} is not a JSON object. Fetch or copy the base again.")
    return config


def _check_type(folder: Path, config: dict[str, Any], kinds: tuple[BaseKind, ...]) -> None:
    given = config.get("model_type")
    if any(given in kind.model_types for kind in kinds):
        return
    other = next((kind for kind in KINDS if given in kind.model_types), None)
    if other is not None:
        found = f"a {given}, which is {other.description}: use {other.architecture} for it"
    elif given in OTHER_ENCODERS:
        found = f"a {given}, which is an encoder: use it through spacy-transformers instead"
    elif config.get("is_encoder_decoder"):
        found = f"a {given}, which is an encoder-decoder"
    elif "text_config" in config:
        found = f"a {given}, which is multimodal: name its text-only version"
    elif given is None:
        found = "a model that does not say its `model_type`"
    else:
        found = f"a {given}"
    expected = [f"{kind.description}, with a `model_type` among {', '.join(kind.model_types)}" for kind in kinds]
    raise BaseModelError(f"The base in {folder} is {found}. Expected is {'; or '.join(expected)}.")


def _check_loadable(folder: Path, config: dict[str, Any]) -> None:
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
    # transformers before 5 ignores this key and takes a default: the model would run, and be wrong
    rope = config.get("rope_parameters")
    major = int(version("transformers").split(".")[0])
    if rope and "rope_theta" not in config and major < ROPE_PARAMETERS_SINCE:
        raise BaseModelError(
            f"The base in {folder} was saved by transformers 5 (`rope_parameters` in its {CONFIG}), and "
            f"transformers {version('transformers')} would read its positions wrongly. Install "
            "transformers>=5, or use the base as it was first published."
        )


def weight_files(folder: Path) -> list[Path]:
    """Find the safetensors files of a base.

    Returns:
        model.safetensors, or the shards that its index names, sorted.

    Raises:
        BaseModelError: If there are none, or the index is damaged or names a file that is missing.
    """
    if (folder / SAFE_WEIGHTS).is_file():
        return [folder / SAFE_WEIGHTS]
    if not (folder / SAFE_WEIGHTS_INDEX).is_file():
        raise BaseModelError(_no_weights(folder))
    try:
        index = json.loads((folder / SAFE_WEIGHTS_INDEX).read_text(encoding="utf8"))
        names = {str(name) for name in index["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseModelError(
            f"{folder / SAFE_WEIGHTS_INDEX} is damaged ({error!r}). Expected is the JSON index that safetensors "
            "shards come with; fetch or copy the base again."
        ) from error
    missing = sorted(name for name in names if Path(name).name != name or not (folder / name).is_file())
    if missing or not names:
        raise BaseModelError(
            f"{folder} lacks weights that {SAFE_WEIGHTS_INDEX} names: {', '.join(missing) or 'it names none'}. Fetch "
            "or copy the base again."
        )
    return [folder / name for name in sorted(names)]


def _no_weights(folder: Path) -> str:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return (
            f"{folder} holds its weights only as a pickle ({', '.join(pickles[:3])}), which can run any code "
            f"when it is read and is never loaded. Expected is {SAFE_WEIGHTS}: choose a revision that has "
            "it, or convert the base with transformers (`model.save_pretrained(FOLDER, "
            "safe_serialization=True)`)."
        )
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    found = f" (found: {', '.join(others[:3])})" if others else ""
    return (
        f"{folder} holds no weights{found}. Expected is {SAFE_WEIGHTS}, or {SAFE_WEIGHTS_INDEX} with the shards it "
        "names; copy the base again, or name another one."
    )


def check_safetensors(file: Path) -> None:
    """Check that a safetensors file is as long as its header says.

    Raises:
        BaseModelError: If it is shorter or longer, or has no readable header.
    """
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
        problem = f"its header says {expected:,}" if expected >= 0 else "its header cannot be read"
        raise BaseModelError(
            f"{file} is damaged: it has {size:,} bytes, and {problem}. Delete it, then fetch or copy the base again."
        )
