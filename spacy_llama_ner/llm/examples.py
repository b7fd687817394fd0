"""Few-shot examples: which labelled sentences a model is shown before the one that it is asked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from ..data.errors import LlamaNERError

Scores = NDArray[np.float32]
Indices = NDArray[np.intp]

DEFAULT_BASE = "smollm2-135m"
FIXED, WORDS, VECTORS = "fixed", "words", "vectors"
STRATEGIES = f"{FIXED}, {WORDS}, {VECTORS} or {VECTORS}:BASE"
# from so many examples on, one of them has no entity
MIN_SHOTS_WITH_NEGATIVE = 3
# limits of a batch of look-ups: docs, and similarities
BATCH_SIZE = 256
MAX_SCORES = 8_000_000


class ExamplesError(LlamaNERError):
    """Docs that no examples can be selected from, or an unknown strategy."""


class ExampleSelector(Protocol):
    """Selects examples for texts; each comes with the entities that a right reply names."""

    def select(self, doc: Doc) -> list[Doc]:
        """Return the examples for one text, in the order in which they are shown: the best one comes last."""

    def select_all(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """Yield each text with its examples: faster than one by one, with no more than a batch in memory."""


def make_selector(
    pool: Iterable[Doc], *, shots: int, by: str = WORDS, labels: Collection[str] | None = None
) -> ExampleSelector:
    """Make a selector of examples from labelled docs.

    There is an example with entities in every selection, and from three on one without, as far as the pool has them.
    No text is an example for itself.

    Args:
        pool: Docs with entities, such as training data; of those with the same text, the first is used.
        shots: How many examples for a text; fewer where the pool has fewer.
        by: "fixed" for the same examples each time, "words" for those that share the most words with the text
            (TF-IDF), "vectors" for those with the nearest vectors of smollm2-135m, "vectors:BASE" for those of
            another base.
        labels: Entities with other labels are left out; None for all labels. A doc with no other entities becomes a
            negative example that looks much like the others.

    Returns:
        The selector.

    Raises:
        ExamplesError: If the pool has no entity, `by` is unknown or scikit-learn is missing.
        BaseModelError: If there is no such base, as for `LlamaEncoder.v1`.
    """
    if shots < 1:
        raise ExamplesError(f"shots = {shots}; give 1 or more examples, or no pool at all.")
    distinct: dict[tuple[str, ...], Doc] = {}
    for doc in pool:
        distinct.setdefault(_text_key(doc), filter_labels(doc, labels))
    docs = list(distinct.values())
    if not any(doc.ents for doc in docs):
        wanted = "" if labels is None else f" with a label among {', '.join(sorted(labels))}"
        raise ExamplesError(f"The examples ({len(docs)} docs) have no entity{wanted}. Give docs with `ents`.")
    strategy, _, base = by.partition(":")
    if by == FIXED:
        return FixedSelector(docs, shots=shots)
    if by == WORDS:
        return SimilaritySelector(docs, TfidfIndex(docs), shots=shots)
    if strategy == VECTORS:
        return SimilaritySelector(docs, VectorIndex(docs, base=base or DEFAULT_BASE), shots=shots)
    raise ExamplesError(f"Examples cannot be selected by {by!r}. Give {STRATEGIES}.")


class FixedSelector:
    """Selects the same examples for every text, so that each label is shown, the rare ones too.

    Where the text is one of the examples, another doc of its kind (with or without entities) takes its place.
    """

    def __init__(self, docs: Sequence[Doc], *, shots: int) -> None:
        self._docs = _diverse(docs, shots)
        rest = [doc for doc in docs if doc not in self._docs]
        self._substitutes = {
            has_ents: sorted(rest, key=lambda doc: bool(doc.ents) != has_ents)[:1] for has_ents in (True, False)
        }

    def select(self, doc: Doc) -> list[Doc]:
        """See `ExampleSelector.select`."""
        key = _text_key(doc)
        choices = ([each] if _text_key(each) != key else self._substitutes[bool(each.ents)] for each in self._docs)
        return [each for choice in choices for each in choice]

    def select_all(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """See `ExampleSelector.select_all`."""
        return ((doc, self.select(doc)) for doc in docs)


def _diverse(docs: Sequence[Doc], n: int) -> list[Doc]:
    """Pick docs one after the other for the labels shown least so far; every fourth place is for a negative."""
    shown: Counter[str] = Counter()
    positives = [doc for doc in docs if doc.ents]
    negatives = [doc for doc in docs if not doc.ents]

    def gain(doc: Doc) -> float:
        return sum(1 / (1 + shown[label]) for label in sorted({ent.label_ for ent in doc.ents}))

    chosen: list[Doc] = []
    while len(chosen) < n and (positives or negatives):
        if negatives and (not positives or len(chosen) % 4 == MIN_SHOTS_WITH_NEGATIVE - 1):
            chosen.append(negatives.pop(0))
            continue
        best = max(positives, key=lambda doc: (gain(doc), -len(doc)))
        positives.remove(best)
        chosen.append(best)
        shown.update({ent.label_ for ent in best.ents})
    return chosen


class SimilarityIndex(Protocol):
    """Docs that texts are compared with."""

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """Return the cosine of each doc to each indexed doc, [n_docs, n_indexed]; 0 for a doc without words."""


class SimilaritySelector:
    """Selects the examples most similar to a text (Liu et al. 2022, What Makes Good In-Context Examples)."""

    def __init__(self, docs: Sequence[Doc], index: SimilarityIndex, *, shots: int) -> None:
        self._docs = docs
        self._index = index
        self._shots = shots
        self._has_ents = np.array([bool(doc.ents) for doc in docs])
        self._positions = {_text_key(doc): i for i, doc in enumerate(docs)}

    def select(self, doc: Doc) -> list[Doc]:
        """See `ExampleSelector.select`."""
        ((_, examples),) = self.select_all([doc])
        return examples

    def select_all(self, docs: Iterable[Doc]) -> Iterator[tuple[Doc, list[Doc]]]:
        """See `ExampleSelector.select_all`."""
        size = max(1, min(BATCH_SIZE, MAX_SCORES // len(self._docs)))
        left = iter(docs)
        while batch := list(islice(left, size)):
            # rounded, since which of two equals is nearer would else depend on the batch
            rows = self._index.scores(batch).round(4)
            yield from ((doc, self._nearest(doc, row)) for doc, row in zip(batch, rows, strict=True))

    def _nearest(self, doc: Doc, scores: Scores) -> list[Doc]:
        order = np.argsort(-scores, kind="stable")
        order = order[order != self._positions.get(_text_key(doc), -1)]
        chosen = order[: self._shots].copy()
        self._ensure_one(chosen, order, has_ents=True)
        if self._shots >= MIN_SHOTS_WITH_NEGATIVE:
            self._ensure_one(chosen, order, has_ents=False)
        return [self._docs[i] for i in reversed(chosen)]

    def _ensure_one(self, chosen: Indices, order: Indices, *, has_ents: bool) -> None:
        """Put the best doc with entities (or without) in the last place, if none of them is chosen."""
        wanted = order[self._has_ents[order] == has_ents]
        if len(wanted) and wanted[0] not in chosen:
            chosen[-1] = wanted[0]


class TfidfIndex:
    """Compares words and pairs of neighbouring words, in lower case, by TF-IDF (Salton and Buckley 1988)."""

    def __init__(self, docs: Sequence[Doc]) -> None:
        """Index docs.

        Args:
            docs: To be compared with.

        Raises:
            ExamplesError: If scikit-learn is not installed.
        """
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError as error:
            raise ExamplesError(
                'Selecting examples by words needs scikit-learn: `pip install "spacy_llama_ner[llm]"`.'
            ) from error

        self._vectorizer = TfidfVectorizer(analyzer=_terms, sublinear_tf=True, dtype=np.float32)
        # one term that no text has, so that a pool of empty docs has a vocabulary too
        rows = self._vectorizer.fit_transform([*docs, None])[:-1]
        self._columns = rows.T.tocsr()

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """See `SimilarityIndex.scores`."""
        scores: Scores = (self._vectorizer.transform(docs) @ self._columns).toarray()
        return scores


def _terms(doc: Doc | None) -> Iterator[str]:
    if doc is None:
        yield ""
        return
    # a bare vocabulary, as of docs from a file, knows no `lower_`
    words = [token.text.lower() for token in doc if not token.text.isspace()]
    yield from words
    yield from (f"{left} {right}" for left, right in pairwise(words))


class VectorIndex:
    """Compares the means of the word vectors of a base, with its causal mask, as it was pretrained.

    What all vectors have in common says nothing about a sentence, so the mean over the indexed ones is subtracted
    (Mu and Viswanath 2018, All-but-the-Top).
    """

    def __init__(self, docs: Sequence[Doc], *, base: str = DEFAULT_BASE, batch_size: int = 256) -> None:
        """Load the base and index docs.

        Args:
            docs: To be compared with.
            base: A decoder, by name as for `LlamaEncoder.v1`.
            batch_size: Docs that are encoded together.

        Raises:
            BaseModelError: If there is no such base.
        """
        from ..encoder import LlamaEncoder

        self._encoder = LlamaEncoder(base=base, attention="causal", lora=None, pooling="mean")
        self._encoder.initialize()
        self._batch_size = batch_size
        vectors = self._encode(docs)
        self._mean = vectors.mean(axis=0, keepdims=True)
        self._rows = self._normalize(vectors)

    def scores(self, docs: Sequence[Doc]) -> Scores:
        """See `SimilarityIndex.scores`."""
        scores: Scores = self._normalize(self._encode(docs)) @ self._rows.T
        return scores

    def _encode(self, docs: Sequence[Doc]) -> Scores:
        """Return the mean of each doc's word vectors, [n_docs, width]."""
        to_numpy = self._encoder.ops.to_numpy
        batches = (docs[i : i + self._batch_size] for i in range(0, len(docs), self._batch_size))
        words = (to_numpy(vectors) for batch in batches for vectors in self._encoder.predict(list(batch)))
        return np.stack([each.mean(axis=0) if len(each) else np.zeros(each.shape[1], each.dtype) for each in words])

    def _normalize(self, vectors: Scores) -> Scores:
        """Subtract the mean, and scale to length 1; vectors of docs without words stay 0."""
        centred = np.where(vectors.any(axis=1, keepdims=True), vectors - self._mean, 0)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return (centred / np.where(lengths, lengths, 1)).astype(np.float32)


def filter_labels(doc: Doc, labels: Collection[str] | None) -> Doc:
    """Leave out entities with other labels.

    Args:
        doc: Is not changed.
        labels: Those to keep; None for all.

    Returns:
        `doc` itself where it has no entity with another label, else a copy without those.
    """
    kept = [ent for ent in doc.ents if labels is None or ent.label_ in labels]
    if len(kept) == len(doc.ents):
        return doc
    doc = doc.copy()
    doc.ents = [Span(doc, ent.start, ent.end, label=ent.label_) for ent in kept]
    return doc


def _text_key(doc: Doc) -> tuple[str, ...]:
    """Return what tells texts apart: all but white space."""
    return tuple(doc.text.split())
