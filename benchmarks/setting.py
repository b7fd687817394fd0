"""The pipeline that is measured, and the same weights as a model of `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from benchmarks.corpus import Sentences
from spacy_llama_ner.base.locate import locate_base
from spacy_llama_ner.encoder.modules import PackedDecoder

LABELS = ["LOC", "MISC", "ORG", "PER"]


def make_pipeline(base: str, **settings: Any) -> Language:
    """Make a pipeline with a fresh adapter, whose second factors are zeros: merged, it is the base.

    Args:
        base: Name or folder of the base.
        **settings: Settings of the encoder.
    """
    nlp = spacy.blank("en")
    ner: Any = nlp.add_pipe("llama_ner", config={"model": {"tok2vec": {"base": base, **settings}}})
    for label in LABELS:
        ner.add_label(label)
    nlp.initialize(lambda: [Example(nlp.make_doc("Ada"), nlp.make_doc("Ada"))])
    return nlp


def encoder_of(nlp: Language) -> PackedDecoder:
    encoder: PackedDecoder = tok2vec_of(nlp).shims[0].module
    return encoder


def tok2vec_of(nlp: Language) -> Any:
    ner: Any = nlp.get_pipe("llama_ner")
    return ner.model.get_ref("tok2vec")


def make_docs(nlp: Language, sentences: Sentences) -> list[Doc]:
    return [Doc(nlp.vocab, words=words) for words in sentences]


def resident() -> float:
    """Resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def token_classifier(base: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The base as Hugging Face's token classifier, and its tokenizer."""
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    folder = locate_base(base)
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=2 * len(LABELS) + 1).to(dtype)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer
