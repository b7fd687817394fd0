"""How much sentences are like each other: by their words, or by what a base makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

Scores = NDArray[np.float32]

DEFAULT_BASE = "smollm2-135m"


class Index(Protocol):
    """Sentences that others are compared with."""

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """Cosine of each doc to each indexed sentence, [n_docs, n_indexed]; 0 where there is nothing to go by."""


class WordIndex:
    """Compares words and pairs of neighbouring words, in lower case, by TF-IDF (Salton and Buckley 1988)."""

    def __init__(self, docs: Sequence[Doc]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, dtype=np.float32)
        # one term that no text has, so that a pool of empty docs has a vocabulary too
        rows = self._vectorizer.fit_transform([*docs, None])[:-1]
        self._columns = rows.T.tocsr()

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """As `Index.scores`."""
        found: Scores = (self._vectorizer.transform(docs) @ self._columns).toarray()
        return found


class VectorIndex:
    """Compares the means of the word vectors of a base, with its causal mask, as it was pretrained.

    What all vectors have in common says nothing about a sentence, so the mean over the indexed ones is taken off
    (Mu and Viswanath 2018, All-but-the-Top).
    base: a decoder, by name as for `LlamaEncoder.v1`.
    batch_size: docs that are read together.

    Raises: as `LlamaEncoder.v1` where the base cannot be had.
    """

    def __init__(self, docs: Sequence[Doc], *, base: str = DEFAULT_BASE, batch_size: int = 256) -> None:
        from ..encoder import LlamaEncoder

        self._encoder = LlamaEncoder(base=base, attention="causal", lora=None, pooling="mean")
        self._encoder.initialize()
        self._batch_size = batch_size
        vectors = self._read(docs)
        self._centre = vectors.mean(axis=0, keepdims=True)
        self._rows = self._directions(vectors)

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """As `Index.scores`."""
        found: Scores = self._directions(self._read(docs)) @ self._rows.T
        return found

    def _read(self, docs: Sequence[Doc]) -> Scores:
        to_numpy = self._encoder.ops.to_numpy
        batches = (docs[i : i + self._batch_size] for i in range(0, len(docs), self._batch_size))
        words = (to_numpy(vectors) for batch in batches for vectors in self._encoder.predict(list(batch)))
        return np.stack([each.mean(axis=0) if len(each) else np.zeros(each.shape[1], each.dtype) for each in words])

    def _directions(self, vectors: Scores) -> Scores:
        centred = np.where(vectors.any(axis=1, keepdims=True), vectors - self._centre, 0)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return (centred / np.where(lengths, lengths, 1)).astype(np.float32)


def _terms(doc: Doc | None) -> Iterator[str]:
    if doc is None:
        yield ""
        return
    # a bare vocabulary, as of docs from a file, knows no `lower_`
    words = [token.text.lower() for token in doc if not token.text.isspace()]
    yield from words
    yield from (f"{left} {right}" for left, right in pairwise(words))
