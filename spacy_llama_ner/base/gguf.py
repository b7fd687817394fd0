"""Conversion of a GGUF file to a folder with config, tokenizer and safetensors weights.

`convert_gguf` does all of it. transformers reads the weights; config, rotary positions and byte-level BPE tokenizers
are written here, since versions of transformers write them differently or leave something out. The result is the
same, byte for byte, under every supported version.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import MissingPackageError
from .cache import cache_dir, print_status
from .check import check_decoder
from .errors import BaseModelError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

# `general.architecture` of GGUF files whose decoders have the Llama layout
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "smollm3")

# file in a converted folder that says where the GGUF file came from
SOURCE = "source.json"
# version of what a converted folder holds: counted up with each change, so that no old folder is taken for a new one
FOLDER_VERSION = 1

# Keys of a config that say what a decoder with the Llama layout computes. A list of what to keep and not of what to
# drop, since each version of transformers writes further keys.
CONFIG_KEYS = (
    "architectures", "model_type", "torch_dtype", "vocab_size", "tie_word_embeddings", "bos_token_id",
    "eos_token_id", "pad_token_id", "num_hidden_layers", "hidden_size", "intermediate_size", "hidden_act",
    "hidden_activation", "mlp_bias", "rms_norm_eps", "initializer_range", "num_attention_heads",
    "num_key_value_heads", "head_dim", "attention_bias", "attention_dropout", "query_pre_attn_scalar",
    "attn_logit_softcapping", "final_logit_softcapping", "layer_types", "sliding_window",
    "use_sliding_window", "max_window_layers", "sliding_window_pattern", "max_position_embeddings",
    "rope_theta", "rope_scaling", "rope_local_base_freq", "no_rope_layers", "no_rope_layer_interval",
)  # fmt: skip

# tensor that divides the rotary frequencies
ROPE_FACTORS = "rope_freqs.weight"
# of Llama 3's scaling; the same in all of Meta's releases from 3.1 on, where only the factor differs
LOW_FREQ_FACTOR, HIGH_FREQ_FACTOR, ORIGINAL_LENGTH = 1.0, 4.0, 8192

# regular expressions by which models split a text before byte-level BPE
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}"
QWEN2 = rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}"
# values of `tokenizer.ggml.pre` and their expressions; None splits as GPT-2 does
SPLIT_PATTERNS = {"llama-bpe": LLAMA3, "llama-v3": LLAMA3, "llama3": LLAMA3, "qwen2": QWEN2, "gpt-2": None}
# further values of `tokenizer.ggml.pre`: each digit is split off, the rest is split as GPT-2 does
SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r")
# values of `tokenizer.ggml.token_type`
CONTROL, USER_DEFINED = 3, 4
# names of special tokens in transformers and in GGUF
SPECIAL_TOKENS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def converted_folder(gguf_sha256: str) -> Path:
    """Return the folder in the user cache for the base that a GGUF file of this content becomes."""
    return cache_dir() / "bases" / f"{gguf_sha256[:16]}-v{FOLDER_VERSION}"


def is_converted(folder: Path) -> bool:
    """Whether a conversion to `folder` was finished and its result is still whole."""
    try:
        check_decoder(folder)
    except (BaseModelError, OSError):
        return False
    return (folder / SOURCE).is_file()


def convert_gguf(gguf: Path, folder: Path, *, source: dict[str, Any]) -> Path:
    """Convert a GGUF file to config, tokenizer and bfloat16 safetensors.

    The files are the same, byte for byte, whichever supported version of transformers writes them, except for
    tokenizers that are not byte-level BPE.

    Args:
        gguf: The GGUF file.
        folder: The folder to make.
        source: Where the GGUF file came from; kept as source.json beside the rest.

    Returns:
        `folder`.

    Raises:
        BaseModelError: If the file is damaged or is not a decoder that transformers can read.
        MissingPackageError: If the package `gguf` is not installed.
        OSError: If the folder cannot be written.
    """
    reader = open_gguf(gguf)
    print_status(f"Converting {gguf.name} to safetensors, once (about 20 seconds per 100 million weights).")
    folder.mkdir()
    try:
        model = _load_model(gguf)
        # one file, whatever the version's default size of a shard
        model.save_pretrained(folder, safe_serialization=True, max_shard_size="1000GB")
        write_tokenizer(reader, gguf, folder)
        config = portable_config(model.config.to_dict())
        if scaling := llama3_scaling(reader, theta=config["rope_theta"]):
            config["rope_scaling"] = scaling
    except OSError:
        raise
    except Exception as error:
        import transformers

        raise BaseModelError(
            f"{gguf.name} could not be converted by transformers {transformers.__version__} ({error}). A "
            "newer version may know this kind of file; otherwise name a Hub id or a folder of safetensors."
        ) from error
    _write_configs(folder, config)
    (folder / SOURCE).write_text(json.dumps(source, indent=2, sort_keys=True), encoding="utf8")
    check_decoder(folder)
    return folder


def _load_model(gguf: Path) -> Any:
    import torch
    import transformers

    options: dict[str, Any] = {"torch_dtype": torch.bfloat16}
    if hasattr(transformers, "GgufConfig"):
        options = {"dtype": torch.bfloat16, "quantization_config": transformers.GgufConfig(dequantize=True)}
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **options,
    )
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights of its own architecture, among them {missing[:3]}")
    return model


def _write_configs(folder: Path, config: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf8")
    tokens = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(tokens, indent=2), encoding="utf8")
    # safetensors makes files that only their owner can read, which a cache of several users cannot use
    for file in folder.glob("*.safetensors"):
        file.chmod(path.stat().st_mode)


def open_gguf(path: Path) -> GGUFReader:
    """Open a GGUF file of a decoder with the Llama layout.

    Raises:
        BaseModelError: If the file is damaged, holds something else, or is one part of several.
        MissingPackageError: If the package `gguf` is not installed.
    """
    require_gguf()
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, OverflowError) as error:
        raise BaseModelError(f"{path} is not a whole GGUF file ({error}). Copy or download it again.") from error
    architecture = read_field(reader, "general.architecture")
    if architecture not in ARCHITECTURES:
        raise BaseModelError(
            f"{path} holds a model of the architecture {architecture!r}. Expected is a decoder with the "
            f"Llama layout: {', '.join(ARCHITECTURES)}."
        )
    if (n_parts := read_field(reader, "split.count") or 1) > 1:
        raise BaseModelError(
            f"{path} is one part of {n_parts}. Join the parts first, with `llama-gguf-split --merge`."
        )
    return reader


def require_gguf() -> None:
    """Check that the package `gguf` is installed.

    Raises:
        MissingPackageError: If it is not.
    """
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "Converting a GGUF file needs the package gguf: `pip install gguf`, or with all that the "
            'workflows need `pip install "spacy_llama_ner[project]"`.'
        ) from error


def read_field(reader: GGUFReader, name: str) -> Any:
    """Return the value of a metadata field as plain Python, or None if the file has no such field."""
    found = reader.get_field(name)
    return None if found is None else found.contents()


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """Write a config as transformers 4 would.

    transformers 5 gathers the rotary positions in `rope_parameters`, which version 4 silently ignores; version 5
    reads the older keys as well.

    Args:
        config: The full config of any version, from `config.to_dict()`.

    Returns:
        The `CONFIG_KEYS` of it, sorted.
    """
    old = {**config, "torch_dtype": config.get("dtype") or config.get("torch_dtype")}
    if rope := config.get("rope_parameters"):
        scaling = dict(rope.get("full_attention", rope))
        old["rope_theta"] = scaling.pop("rope_theta")
        old["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
        if "sliding_attention" in rope:
            old["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    if old.get("rope_scaling") is None:
        old.pop("rope_scaling", None)
    return {key: old[key] for key in sorted(CONFIG_KEYS) if key in old}


def llama3_scaling(reader: GGUFReader, *, theta: float) -> dict[str, Any] | None:
    """Return the `rope_scaling` of a config for a GGUF file that divides its rotary frequencies.

    transformers ignores the tensor with the divisors, and the model would run on frequencies that it was not trained
    with.

    Args:
        reader: The GGUF file.
        theta: Its base of the rotary frequencies.

    Returns:
        The settings, or None if the file divides no frequencies.

    Raises:
        ValueError: If the divisors do not follow Llama 3's formula.
    """
    tensor = next((tensor for tensor in reader.tensors if tensor.name == ROPE_FACTORS), None)
    if tensor is None:
        return None
    given = [float(value) for value in tensor.data]
    factor = round(max(given), 3)
    expected = [_frequency_divisor(pair / len(given), theta=theta, factor=factor) for pair in range(len(given))]
    if not all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(given, expected, strict=True)):
        raise ValueError(f"its {ROPE_FACTORS} does not follow Llama 3's formula")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW_FREQ_FACTOR,
        "high_freq_factor": HIGH_FREQ_FACTOR,
        "original_max_position_embeddings": ORIGINAL_LENGTH,
    }


def _frequency_divisor(position: float, *, theta: float, factor: float) -> float:
    """Return the divisor of the frequency at `position` among the pairs of a head, from 0 (the fastest) to 1."""
    turns = ORIGINAL_LENGTH / (2 * math.pi * theta**position)
    smooth = min(max((turns - LOW_FREQ_FACTOR) / (HIGH_FREQ_FACTOR - LOW_FREQ_FACTOR), 0.0), 1.0)
    return 1 / ((1 - smooth) / factor + smooth)


def write_tokenizer(reader: GGUFReader, gguf: Path, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json.

    Byte-level BPE with a known split is built from the file; any other kind is converted by transformers.

    Args:
        reader: The open GGUF file.
        gguf: Its path.
        folder: Where to write.
    """
    split = read_field(reader, "tokenizer.ggml.pre")
    known = split in SPLIT_PATTERNS or split in SINGLE_DIGITS
    if read_field(reader, "tokenizer.ggml.model") == "gpt2" and known:
        tokenizer = _byte_level_tokenizer(reader, split)
    else:
        tokenizer = _tokenizer_from_transformers(gguf)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    settings |= _special_tokens(reader)
    if template := read_field(reader, "tokenizer.chat_template"):
        settings["chat_template"] = template
    content = json.dumps(settings, indent=2, sort_keys=True)
    (folder / "tokenizer_config.json").write_text(content, encoding="utf8")


def _byte_level_tokenizer(reader: GGUFReader, split: str) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    tokens = read_field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in read_field(reader, "tokenizer.ggml.merges")]
    pattern = SPLIT_PATTERNS.get(split)
    # Llama 3 takes a word that is in the vocabulary whole, whether or not merges lead to it
    tokenizer = Tokenizer(
        models.BPE({token: id_ for id_, token in enumerate(tokens)}, merges, ignore_merges=pattern == LLAMA3)
    )
    if pattern == QWEN2:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(split)
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, read_field(reader, "tokenizer.ggml.token_type"), strict=True):
        if kind in (CONTROL, USER_DEFINED):
            tokenizer.add_tokens([AddedToken(token, normalized=False, special=kind == CONTROL)])
    bos = _special_tokens(reader).get("bos_token")
    if bos and read_field(reader, "tokenizer.ggml.add_bos_token"):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[bos, "$A"],
            pair=[bos, "$A", f"{bos}:1", "$B:1"],
            special_tokens=[(bos, tokens.index(bos))],
        )
    return tokenizer


def _pre_tokenizer(split: str) -> PreTokenizer:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

    pattern = SPLIT_PATTERNS.get(split)
    if pattern is not None:
        by_pattern = Split(Regex(pattern), behavior="isolated")
        return Sequence([by_pattern, ByteLevel(add_prefix_space=False, use_regex=False)])
    if split in SINGLE_DIGITS:
        return Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return ByteLevel(add_prefix_space=False)


def _tokenizer_from_transformers(gguf: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    return fast.backend_tokenizer


def _special_tokens(reader: GGUFReader) -> dict[str, str]:
    tokens = read_field(reader, "tokenizer.ggml.tokens")
    ids = {name: read_field(reader, f"tokenizer.ggml.{key}_token_id") for name, key in SPECIAL_TOKENS.items()}
    return {name: tokens[id_] for name, id_ in ids.items() if id_ is not None}
