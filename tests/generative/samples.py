"""Texts with entities, and pipelines that are asked for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_llama_ner.generative.chunks import Chunk, cut
from spacy_llama_ner.generative.formats import AnswerFormat, BioLines, InlineBrackets

FORMATS: dict[str, AnswerFormat] = {"BioLines": BioLines(), "InlineBrackets": InlineBrackets()}
LABELS = ("NAME", "DATE")
VOCAB = spacy.blank("en").vocab
Ents = list[tuple[int, int, str]]


def chunk_of(text: str) -> Chunk:
    """A text as one chunk, cut at white space and nowhere else."""
    words = text.split(" ")
    (chunk,) = cut(Doc(VOCAB, words=words), window=len(words))
    return chunk


def some_ents(rng: random.Random, n_words: int) -> Ents:
    """Entities of one to three words, side by side or apart."""
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
