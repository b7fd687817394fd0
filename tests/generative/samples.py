"""Texts with entities, and components that are prompted for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_llama_ner.generative.architectures import GenerativeTagger, get_generator
from spacy_llama_ner.generative.chunks import Chunk, split_into_chunks
from spacy_llama_ner.generative.formats import AnswerFormat, BioLines, InlineBrackets
from spacy_llama_ner.generative.modules import Generator

FORMATS: dict[str, AnswerFormat] = {"BioLines": BioLines(), "InlineBrackets": InlineBrackets()}
LABELS = ("NAME", "DATE")
VOCAB = spacy.blank("en").vocab
Ents = list[tuple[int, int, str]]


def chunk_of(text: str) -> Chunk:
    """A text as one chunk, with words split at white space and nowhere else."""
    words = text.split(" ")
    (chunk,) = split_into_chunks(Doc(VOCAB, words=words), window=len(words))
    return chunk


def random_ents(rng: random.Random, n_words: int) -> Ents:
    """Draw entities of one to three words, side by side or apart."""
    ents, at = [], 0
    while at < n_words:
        end = min(n_words, at + rng.randint(1, 3))
        if rng.random() < 0.4:
            ents.append((at, end, rng.choice(LABELS)))
            at = end
        else:
            at += 1
    return ents


def make_nlp(
    base: Path, format: str = "InlineBrackets", *, name: str = "llama_ner_generative", **model: Any
) -> Language:
    """An untrained English pipeline over the chat base in `base`."""
    nlp = spacy.blank("en")
    settings = {
        "base": str(base),
        "dtype": "float32",
        "lora": {"rank": 8, "alpha": 16},
        "format": {"@misc": f"spacy_llama_ner.{format}.v1"},
        **model,
    }
    nlp.add_pipe("llama_ner_generative", name=name, config={"model": settings})
    return nlp


def make_generator(base: Path, **settings: Any) -> Generator:
    """An untrained generator over the chat base in `base`, which answers in brackets."""
    model = GenerativeTagger(InlineBrackets(), **{"base": str(base), "dtype": "float32", **settings})
    model.initialize()
    return get_generator(model)
