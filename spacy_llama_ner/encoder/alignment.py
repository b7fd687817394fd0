"""Which subwords stand for which word, by character offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Alignment(NamedTuple):
    """The subwords of one doc, and for every word the range of subwords that cover it.

    `ids` int64 [n_subwords]; `first` and `last` int64 [n_words]: word i is covered by the subwords
    `first[i]:last[i]`. The range is empty for a word the tokenizer drops (some zero-width characters, white
    space where its offsets leave out spaces).
    """

    ids: np.ndarray
    first: np.ndarray
    last: np.ndarray


def align(docs: list[Doc], tokenizer: Tokenizer) -> list[Alignment]:
    """Tokenize the running text of each doc, so that words keep the space they stand behind."""
    encodings = tokenizer.encode_batch([doc.text for doc in docs], add_special_tokens=False)
    return [
        align_offsets(doc, np.asarray(e.ids, dtype="int64"), np.asarray(e.offsets, dtype="int64"))
        for doc, e in zip(docs, encodings, strict=True)
    ]


def align_offsets(doc: Doc, ids: np.ndarray, offsets: np.ndarray) -> Alignment:
    """Match subwords with words by overlap of their characters.

    `offsets` is int64 [n_subwords, 2]: start and end character of each subword. Where one subword
    covers the end of one word and the start of the next ("don" in "do|n't"), the second word
    starts with a subword of its own if it has one.
    """
    starts, ends = offsets.reshape(-1, 2).T
    words = doc.to_array([IDX, LENGTH]).astype("int64").reshape(-1, 2)
    word_starts = words[:, 0]
    word_ends = word_starts + words[:, 1]
    previous_ends = np.concatenate([np.zeros(1, dtype="int64"), word_ends])[: len(words)]
    overlapping = np.searchsorted(ends, word_starts, side="right")
    own = np.searchsorted(starts, previous_ends, side="left")
    last = np.searchsorted(starts, word_ends, side="left")
    first = np.where(own < last, np.maximum(overlapping, own), overlapping)
    return Alignment(ids, first, np.maximum(first, last))


def special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special subwords (such as `[CLS]` and `[SEP]`) that the base expects in front of a text and behind it."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return list(full[:start]), list(full[start + len(bare) :])
    return [], []
