"""`spacy train --code benchmarks/hidden_words.py`: in training, a tenth of the words are hidden from the base.

For an experiment (benchmarks/conll2003.md): whether what has to be told from the words around it is learned better.
Prediction sees all words, so that pipelines need none of this afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from spacy.tokens import Doc
from tokenizers import Tokenizer

from spacy_llama_ner.encoder import architectures as architecture
from spacy_llama_ner.encoder import batching as alignment

SHARE = 0.1

_read = architecture._read
_training = False


def read(model: Any, docs: list[Doc], is_train: bool) -> Any:
    """As `architecture._read` does, with words hidden where `is_train`."""
    global _training
    _training = is_train
    try:
        return _read(model, docs, is_train)
    finally:
        _training = False


def align(docs: list[Doc], tokenizer: Tokenizer) -> list[alignment.Alignment]:
    """As `alignment.align` does; in training an underscore stands for each subword of a hidden word."""
    found = alignment.align(docs, tokenizer)
    if _training:
        underscore = tokenizer.encode(" _", add_special_tokens=False).ids[-1]
        for ids, first, last in found:
            for word in np.flatnonzero(np.random.random(len(first)) < SHARE):
                ids[first[word] : last[word]] = underscore
    return found


architecture._read = read
architecture.align = align  # type: ignore[attr-defined]
