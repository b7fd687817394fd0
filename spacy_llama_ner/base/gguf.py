"""GGUF to a folder of safetensors, once."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cache import cache_dir, say
from .check import check_decoder
from .errors import BaseModelError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

# All that says what a decoder with the Llama layout computes. A list of what to keep and not of what to drop,
# since each version of transformers writes further keys.
KEPT = (
    "architectures", "model_type", "torch_dtype", "vocab_size", "tie_word_embeddings", "bos_token_id",
    "eos_token_id", "pad_token_id", "num_hidden_layers", "hidden_size", "intermediate_size", "hidden_act",
    "hidden_activation", "mlp_bias", "rms_norm_eps", "initializer_range", "num_attention_heads",
    "num_key_value_heads", "head_dim", "attention_bias", "attention_dropout", "query_pre_attn_scalar",
    "attn_logit_softcapping", "final_logit_softcapping", "layer_types", "sliding_window",
    "use_sliding_window", "max_window_layers", "sliding_window_pattern", "max_position_embeddings",
    "rope_theta", "rope_scaling", "rope_local_base_freq", "no_rope_layers", "no_rope_layer_interval",
)  # fmt: skip


def portable(config: dict[str, Any]) -> dict[str, Any]:
    """A config as transformers 4 writes it, from any version's full one (`config.to_dict()`), keys sorted.

    Transformers 5 gathers the rotary positions in `rope_parameters`, which version 4 passes over without a
    word; version 5 reads the older keys as well.
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
    return {key: old[key] for key in sorted(KEPT) if key in old}


# `general.architecture` of GGUF files whose decoders have the Llama layout
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "smollm3")


def open_gguf(path: Path) -> GGUFReader:
    """Open a GGUF file of a decoder with the Llama layout.

    Raises BaseModelError if it is damaged or holds something else, ImportError if the package `gguf` is not
    there.
    """
    require_gguf()
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, OverflowError) as error:
        raise BaseModelError(f"{path} is not a whole GGUF file ({error}). Copy or download it again.") from error
    architecture = field(reader, "general.architecture")
    if architecture not in ARCHITECTURES:
        raise BaseModelError(
            f"{path} holds a model of the architecture {architecture!r}. Expected is a decoder with the "
            f"Llama layout: {', '.join(ARCHITECTURES)}."
        )
    if (field(reader, "split.count") or 1) > 1:
        raise BaseModelError(
            f"{path} is one part of {field(reader, 'split.count')}. Join the parts first, with "
            "`llama-gguf-split --merge`."
        )
    return reader


def require_gguf() -> None:
    """Raise ImportError if the package `gguf` is not there."""
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Converting a GGUF file needs the package gguf: `pip install gguf`, or with all that the "
            'workflows need `pip install "spacy_llama_ner[project]"`.'
        ) from error


def field(reader: GGUFReader, name: str) -> Any:
    """The value of a metadata field as plain Python, null if the file has none."""
    found = reader.get_field(name)
    return None if found is None else found.contents()


FACTORS = "rope_freqs.weight"
# the same in all of Meta's releases from 3.1 on; only the factor differs
LOW, HIGH, ORIGINAL_LENGTH = 1.0, 4.0, 8192


def llama3_scaling(reader: GGUFReader, *, theta: float) -> dict[str, Any] | None:
    """`rope_scaling` for a GGUF file that divides its rotary frequencies, null for one that does not.

    theta: the file's base of the rotary frequencies.
    transformers passes over that tensor, and the model would run on frequencies it was not trained with.
    Raises ValueError if the tensor holds something else than Llama 3's formula gives.
    """
    tensor = next((tensor for tensor in reader.tensors if tensor.name == FACTORS), None)
    if tensor is None:
        return None
    given = [float(value) for value in tensor.data]
    factor = round(max(given), 3)
    expected = [_divisor(pair / len(given), theta, factor) for pair in range(len(given))]
    if not all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(given, expected, strict=True)):
        raise ValueError(f"its {FACTORS} does not follow Llama 3's formula")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": ORIGINAL_LENGTH,
    }


def _divisor(place: float, theta: float, factor: float) -> float:
    turns = ORIGINAL_LENGTH / (2 * math.pi * theta**place)
    smooth = min(max((turns - LOW) / (HIGH - LOW), 0.0), 1.0)
    return 1 / ((1 - smooth) / factor + smooth)


CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{CONTRACTIONS}|{WORDS}|\p{{N}}{{1,3}}|{REST}"
QWEN2 = rf"{CONTRACTIONS}|{WORDS}|\p{{N}}|{REST}"
# values of `tokenizer.ggml.pre`: those that cut every digit off and then split as GPT-2 does, and the others
SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r")
SPLITS = {"llama-bpe": LLAMA3, "llama-v3": LLAMA3, "llama3": LLAMA3, "qwen2": QWEN2, "gpt-2": None}
# values of `tokenizer.ggml.token_type`
CONTROL, USER_DEFINED = 3, 4
NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def write_tokenizer(reader: GGUFReader, gguf: Path, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json for a GGUF file to `folder`.

    Byte-level BPE with a known split is built from the file; any other kind is converted by transformers.
    """
    split = field(reader, "tokenizer.ggml.pre")
    known = split in SPLITS or split in SINGLE_DIGITS
    if field(reader, "tokenizer.ggml.model") == "gpt2" and known:
        tokenizer = _byte_level(reader, split)
    else:
        tokenizer = _by_transformers(gguf)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    settings |= _named_tokens(reader)
    if template := field(reader, "tokenizer.chat_template"):
        settings["chat_template"] = template
    content = json.dumps(settings, indent=2, sort_keys=True)
    (folder / "tokenizer_config.json").write_text(content, encoding="utf8")


def _byte_level(reader: GGUFReader, split: str) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    pattern = SPLITS.get(split)
    # Llama 3 takes a word that is in the vocabulary whole, whether or not merges lead to it
    tokenizer = Tokenizer(
        models.BPE({token: id_ for id_, token in enumerate(tokens)}, merges, ignore_merges=pattern == LLAMA3)
    )
    if pattern == QWEN2:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(split)
    tokenizer.decoder = decoders.ByteLevel()
    for token, kind in zip(tokens, field(reader, "tokenizer.ggml.token_type"), strict=True):
        if kind in (CONTROL, USER_DEFINED):
            tokenizer.add_tokens([AddedToken(token, normalized=False, special=kind == CONTROL)])
    bos = _named_tokens(reader).get("bos_token")
    if bos and field(reader, "tokenizer.ggml.add_bos_token"):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[bos, "$A"],
            pair=[bos, "$A", f"{bos}:1", "$B:1"],
            special_tokens=[(bos, tokens.index(bos))],
        )
    return tokenizer


def _pre_tokenizer(split: str) -> PreTokenizer:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

    pattern = SPLITS.get(split)
    if pattern is not None:
        by_pattern = Split(Regex(pattern), behavior="isolated")
        return Sequence([by_pattern, ByteLevel(add_prefix_space=False, use_regex=False)])
    if split in SINGLE_DIGITS:
        return Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    return ByteLevel(add_prefix_space=False)


def _by_transformers(gguf: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    return fast.backend_tokenizer


def _named_tokens(reader: GGUFReader) -> dict[str, str]:
    tokens = field(reader, "tokenizer.ggml.tokens")
    ids = {name: field(reader, f"tokenizer.ggml.{key}_token_id") for name, key in NAMED.items()}
    return {name: tokens[id_] for name, id_ in ids.items() if id_ is not None}


SOURCE = "source.json"
# counts changes of what a converted folder holds, so that no old one is taken for a new one
LAYOUT = 1


def converted_folder(gguf_sha256: str) -> Path:
    """Where the base lies that a GGUF file of this content becomes."""
    return cache_dir() / "bases" / f"{gguf_sha256[:16]}-v{LAYOUT}"


def is_converted(folder: Path) -> bool:
    """Whether a conversion was finished, and its result is still whole."""
    try:
        check_decoder(folder)
    except (BaseModelError, OSError):
        return False
    return (folder / SOURCE).is_file()


def convert(gguf: Path, folder: Path, *, source: dict[str, Any]) -> Path:
    """Write config, tokenizer and bfloat16 safetensors of a GGUF file to the new `folder`, and return it.

    source: where the file came from, kept as source.json beside them.
    The files are the same, byte for byte, whichever supported version of transformers writes them (but for
    tokenizers that are not byte-level BPE). Raises BaseModelError if the file is not a decoder that
    transformers can read.
    """
    reader = open_gguf(gguf)
    say(f"Converting {gguf.name} to safetensors, once (about 20 seconds per 100 million weights).")
    folder.mkdir()
    try:
        model = _load(gguf)
        # one file, whatever the version's idea of a shard is
        model.save_pretrained(folder, safe_serialization=True, max_shard_size="1000GB")
        write_tokenizer(reader, gguf, folder)
        config = portable(model.config.to_dict())
        if scaling := llama3_scaling(reader, theta=config["rope_theta"]):
            config["rope_scaling"] = scaling
    except OSError:
        raise
    except Exception as error:
        import transformers

        raise BaseModelError(
            f"{gguf.name} could not be converted by transformers {transformers.__version__} ({error}). A "
            "newer version may know this kind of file; else name a Hub id or a folder of safetensors."
        ) from error
    _tidy(folder, config)
    (folder / SOURCE).write_text(json.dumps(source, indent=2, sort_keys=True), encoding="utf8")
    check_decoder(folder)
    return folder


def _load(gguf: Path) -> Any:
    import torch
    import transformers

    how: dict[str, Any] = {"torch_dtype": torch.bfloat16}
    if hasattr(transformers, "GgufConfig"):
        how = {"dtype": torch.bfloat16, "quantization_config": transformers.GgufConfig(dequantize=True)}
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        **how,
    )
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"it lacks {len(missing)} weights of its own architecture, among them {missing[:3]}")
    return model


def _tidy(folder: Path, config: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf8")
    ends = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2), encoding="utf8")
    # safetensors writes for the owner alone, which a cache that several users share cannot use
    for file in folder.glob("*.safetensors"):
        file.chmod(path.stat().st_mode)
