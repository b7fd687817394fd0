"""A fast tokenizer from a GGUF file, the same whatever version of transformers is there.

Transformers' own conversion changed between versions: 4.53 puts a start mark before every text whatever the
file says, and neither it nor 5.23 splits digits for SmolLM2. So vocabularies of byte-level BPE are built here
from the file's own fields, with the splits their models were trained with (from llama.cpp's table of
pre-tokenizers).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .gguf_file import field

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

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
