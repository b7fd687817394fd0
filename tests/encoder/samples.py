"""What the encoder's tests share: tiny bases, tokenizers, encoders whose adapter is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Model
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers.normalizers import Normalizer
from tokenizers.processors import PostProcessor

from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.encoder.batching import Batch, BatchPlan
from spacy_llama_ner.encoder.modules import PackedDecoder
from tests.conftest import TRAINING_TEXT, build_tiny_llama

NLP = spacy.blank("en")
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3")
LORA = {"rank": 4, "alpha": 8.0}


def make_docs(*texts: str) -> list[Doc]:
    return [NLP(text) for text in texts]


def build_tiny_decoder(folder: Path, kind: str) -> Path:
    """A two-layer random decoder of the model type `kind`, with the tokenizer of the tiny Llama."""
    from transformers import AutoConfig, AutoModel

    build_tiny_llama(folder)
    if kind == "llama":
        return folder
    config = AutoConfig.for_model(
        kind,
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        initializer_range=0.2,
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder, safe_serialization=True)
    return folder


def make_encoder(base: Path, **settings: Any) -> Model:
    """An initialized encoder in fp32, its adapter (if any) as if it had been trained."""
    model = LlamaEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings})
    torch.manual_seed(0)
    model.initialize(X=make_docs("UN praises Danish plan"))
    randomize_adapter(model.shims[0].module)
    return model


def randomize_adapter(module: PackedDecoder) -> None:
    """Give an adapter random weights as if it had been trained: its second factor starts as zeros."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=generator)


def window_plan(rows: Sequence[Sequence[int]], *, groups: Sequence[int] | None = None) -> BatchPlan:
    """One batch of windows of subword ids, in `groups` of so many (all in one); the first subword of each is read."""
    lengths = np.asarray([len(row) for row in rows], dtype="int64")
    ends = np.cumsum(groups or [len(rows)]).tolist()
    slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    batch = Batch(np.concatenate(rows), lengths, slices, np.cumsum(lengths) - lengths)
    order = np.arange(len(rows))
    return BatchPlan([batch], order, order, np.ones(len(rows), dtype="int64"))


def byte_level(
    *,
    normalizer: Normalizer | None = None,
    post_processor: PostProcessor | None = None,
    prefix_space: bool = False,
) -> Tokenizer:
    """A byte-level BPE tokenizer as Llama 3 and SmolLM have one. Its specials are `<s>` (0) and `</s>` (1)."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    return tokenizer


def sentencepiece() -> Tokenizer:
    """A tokenizer as Llama 2 and Mistral have one: spaces become letters, unknown ones bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [word for text in TRAINING_TEXT for word in text.split()]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    return tokenizer


def template(single: str) -> PostProcessor:
    """Special subwords around a text, such as "<s> $A"."""
    return processors.TemplateProcessing(single=single, special_tokens=[("<s>", 0), ("</s>", 1)])
