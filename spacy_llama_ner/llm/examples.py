"""Which labelled sentences a model is shown before the one that it is asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

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


Places = NDArray[np.intp]

FIXED, WORDS, VECTORS = "fixed", "words", "vectors"
WAYS = f"{FIXED}, {WORDS}, {VECTORS} or {VECTORS}:BASE"
# from so many examples on, one has no entity
WITH_NEGATIVE = 3
# docs that are looked up together, and the numbers that this may take
BATCH = 256
MOST_SCORES = 8_000_000


class Examples(Protocol):
    """Finds examples; each comes with the entities that a right answer names."""

    def examples_for(self, doc: Doc) -> list[Doc]:
        """Examples for one text, in the order in which they are shown: the one that fits best comes last."""

    def with_examples(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """The same for many, each with its examples: faster, and no more than a batch in memory."""


def choose_examples(
    pool: Iterable[Doc], *, shots: int, by: str = WORDS, labels: Collection[str] | None = None
) -> Examples:
    """Examples from labelled docs.

    pool: docs with entities, such as training data; of those with the same text, the first.
    shots: how many examples for a text; fewer where the pool has not got them.
    by: "fixed" for the same ones each time, "words" for those that share the most words with the text (TF-IDF),
        "vectors" for those with the nearest vectors of smollm2-135m, "vectors:BASE" for those of another base.
    labels: entities with other labels are left out; None for all labels. A doc with none but such is a negative that
        looks much like the others.

    There is an example with entities in every choice, and from three on one without, as far as the pool has them. No
    text is an example for itself.

    Raises: ValueError where the pool has no entity or `by` is unknown; as `LlamaEncoder.v1` where the base cannot be
    had.
    """
    if shots < 1:
        raise ValueError(f"shots = {shots}; give 1 or more examples, or no pool at all.")
    distinct: dict[tuple[str, ...], Doc] = {}
    for doc in pool:
        distinct.setdefault(_key(doc), with_labels(doc, labels))
    docs = list(distinct.values())
    if not any(doc.ents for doc in docs):
        said = "" if labels is None else f" with a label among {', '.join(sorted(labels))}"
        raise ValueError(f"The examples ({len(docs)} docs) have no entity{said}. Give docs with `ents`.")
    way, _, base = by.partition(":")
    if by == FIXED:
        return FixedExamples(docs, shots=shots)
    if by == WORDS:
        return SimilarExamples(docs, WordIndex(docs), shots=shots)
    if way == VECTORS:
        return SimilarExamples(docs, VectorIndex(docs, base=base or DEFAULT_BASE), shots=shots)
    raise ValueError(f"There is no way to choose examples by {by!r}. Give {WAYS}.")


class FixedExamples:
    """The same examples for every text, chosen so that each label is shown, the rare ones too.

    Where the text is one of them, another of its kind takes the place.
    """

    def __init__(self, docs: Sequence[Doc], *, shots: int) -> None:
        self._docs = _varied(docs, shots)
        rest = [doc for doc in docs if doc not in self._docs]
        self._instead = {bears: sorted(rest, key=lambda doc: bool(doc.ents) != bears)[:1] for bears in (True, False)}

    def examples_for(self, doc: Doc) -> list[Doc]:
        """As `Examples.examples_for`."""
        key = _key(doc)
        places = ([each] if _key(each) != key else self._instead[bool(each.ents)] for each in self._docs)
        return [each for place in places for each in place]

    def with_examples(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """As `Examples.with_examples`."""
        return ((doc, self.examples_for(doc)) for doc in docs)


class SimilarExamples:
    """For each text those examples that are most like it (Liu et al. 2022, What Makes Good In-Context Examples)."""

    def __init__(self, docs: Sequence[Doc], index: Index, *, shots: int) -> None:
        self._docs = docs
        self._index = index
        self._shots = shots
        self._bears = np.array([bool(doc.ents) for doc in docs])
        self._places = {_key(doc): i for i, doc in enumerate(docs)}

    def examples_for(self, doc: Doc) -> list[Doc]:
        """As `Examples.examples_for`."""
        ((_, examples),) = self.with_examples([doc])
        return examples

    def with_examples(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """As `Examples.with_examples`."""
        size = max(1, min(BATCH, MOST_SCORES // len(self._docs)))
        left = iter(docs)
        while batch := list(islice(left, size)):
            # rounded, since which of two equals is nearer would else hang on the batch
            rows = self._index.scores(batch).round(4)
            yield from ((doc, self._nearest(doc, row)) for doc, row in zip(batch, rows, strict=True))

    def _nearest(self, doc: Doc, scores: Scores) -> list[Doc]:
        order = np.argsort(-scores, kind="stable")
        order = order[order != self._places.get(_key(doc), -1)]
        chosen = order[: self._shots].copy()
        self._make_sure(chosen, order, bears=True)
        if self._shots >= WITH_NEGATIVE:
            self._make_sure(chosen, order, bears=False)
        return [self._docs[i] for i in reversed(chosen)]

    def _make_sure(self, chosen: Places, order: Places, *, bears: bool) -> None:
        """Let the best one with entities (or without any) take the last place, where none is among the chosen."""
        wanted = order[self._bears[order] == bears]
        if len(wanted) and wanted[0] not in chosen:
            chosen[-1] = wanted[0]


def _varied(docs: Sequence[Doc], n: int) -> list[Doc]:
    """Docs one after the other, each for the labels that were shown least; every fourth place is for a negative."""
    shown: Counter[str] = Counter()
    bearing = [doc for doc in docs if doc.ents]
    negatives = [doc for doc in docs if not doc.ents]
    chosen: list[Doc] = []
    while len(chosen) < n and (bearing or negatives):
        if negatives and (not bearing or len(chosen) % 4 == WITH_NEGATIVE - 1):
            chosen.append(negatives.pop(0))
            continue
        best = max(bearing, key=lambda doc: (_worth(doc, shown), -len(doc)))
        bearing.remove(best)
        chosen.append(best)
        shown.update({ent.label_ for ent in best.ents})
    return chosen


def _worth(doc: Doc, shown: Counter[str]) -> float:
    return sum(1 / (1 + shown[label]) for label in sorted({ent.label_ for ent in doc.ents}))


def with_labels(doc: Doc, labels: Collection[str] | None) -> Doc:
    """`doc` itself where it has no entity with another label, else a copy without those. None: all labels."""
    kept = [ent for ent in doc.ents if labels is None or ent.label_ in labels]
    if len(kept) == len(doc.ents):
        return doc
    doc = doc.copy()
    doc.ents = [Span(doc, ent.start, ent.end, label=ent.label_) for ent in kept]
    return doc


def _key(doc: Doc) -> tuple[str, ...]:
    return tuple(doc.text.split())
