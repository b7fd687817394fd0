"""From docs to batches and back: every subword read once, every word pooled from its own subwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llama_ner.encoder.alignment import Alignment
from spacy_llama_ner.encoder.architecture import plan_docs
from spacy_llama_ner.encoder.batching import SUBWORDS_PER_BATCH, Format, Plan, Pooling, make_plan

from .samples import make_docs, make_encoder

# for each doc: how many subwords it has, and the borders of its words among them
WORDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=25)
AROUND = Format(prefix=[-1, -2], suffix=[-3], cost_of_a_group=64)
BARE = Format(prefix=[], suffix=[], cost_of_a_group=64)


def number(docs: list[list[tuple[int, int]]]) -> list[Alignment]:
    """Docs of (dropped, kept) subwords a word; every subword's id is its number, counted through all docs."""
    alignments, n = [], 0
    for doc in docs:
        sizes = np.asarray([skipped + kept for skipped, kept in doc], dtype="int64")
        last = np.cumsum(sizes)
        first = last - np.asarray([kept for _, kept in doc], dtype="int64")
        total = int(sizes.sum())
        alignments.append(Alignment(np.arange(n, n + total), first, last))
        n += total
    return alignments


def read_ids(plan: Plan) -> np.ndarray:
    """The subword behind each row that an encoder would give."""
    return np.concatenate([np.zeros(0, "int64"), *(batch.ids[batch.read] for batch in plan.batches)])


def pool(alignments: list[Alignment], vectors: np.ndarray, pooling: Pooling) -> list[list[float]]:
    """A plain reference: word by word."""
    words = []
    for alignment in alignments:
        for first, last in zip(alignment.first, alignment.last, strict=True):
            own = vectors[alignment.ids[first:last]]
            chosen = {"first": own[:1], "last": own[-1:], "mean": own}[pooling]
            words.append((chosen.mean(axis=0) if len(own) else np.zeros(vectors.shape[1])).tolist())
    return words


def pool_by_plan(plan: Plan, vectors: np.ndarray) -> np.ndarray:
    words = np.zeros((int(plan.n_words.sum()), vectors.shape[1]))
    np.add.at(words, plan.words, vectors[read_ids(plan)][plan.rows])
    return words / np.maximum(np.bincount(plan.words, minlength=len(words)), 1)[:, None]


@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(docs=st.lists(WORDS, max_size=6), window=st.integers(4, 30), data=st.data())
def test_words_are_pooled_from_their_own_subwords(
    pooling: Pooling, docs: list[list[tuple[int, int]]], window: int, data: st.DataObject
) -> None:
    alignments = number(docs)
    stride = data.draw(st.integers(1, window))
    plan = make_plan(alignments, AROUND, window=window, stride=stride, pooling=pooling)
    n_subwords = sum(len(a.ids) for a in alignments)
    vectors = np.random.default_rng(0).normal(size=(n_subwords, 3))
    assert sorted(read_ids(plan)) == list(range(n_subwords))
    assert plan.n_words.tolist() == [len(doc) for doc in docs]
    expected = np.asarray(pool(alignments, vectors, pooling)).reshape(-1, 3)
    np.testing.assert_allclose(pool_by_plan(plan, vectors), expected, atol=1e-12)


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(lengths=st.lists(st.integers(0, 900), max_size=40), window=st.integers(4, 500))
def test_batches_keep_to_the_budget_and_groups_are_hardly_padded(lengths: list[int], window: int) -> None:
    alignments = number([[(0, length)] for length in lengths])
    plan = make_plan(alignments, AROUND, window=window, stride=max(1, window * 3 // 4), pooling="first")
    in_order = np.concatenate([np.zeros(0, "int64"), *(batch.lengths for batch in plan.batches)])
    assert (np.diff(in_order) >= 0).all() and in_order.max(initial=0) <= window
    for batch in plan.batches:
        assert len(batch.ids) == batch.lengths.sum() <= SUBWORDS_PER_BATCH
        starts = np.cumsum(batch.lengths) - batch.lengths
        assert [batch.ids[start : start + 2].tolist() for start in starts] == [[-1, -2]] * len(starts)
        assert batch.ids[starts + batch.lengths - 1].tolist() == [-3] * len(starts)
        assert np.concatenate([np.arange(len(starts))[group] for group in batch.groups]).tolist() == list(
            range(len(starts))
        )
        for group in batch.groups:
            assert (batch.lengths[group].max() - batch.lengths[group]).sum() <= AROUND.cost_of_a_group


def test_a_window_beyond_the_budget_is_a_batch_of_its_own() -> None:
    alignments = number([[(0, SUBWORDS_PER_BATCH + 10)], [(0, 5)]])
    plan = make_plan(alignments, BARE, window=2 * SUBWORDS_PER_BATCH, stride=1, pooling="first")
    assert [batch.lengths.tolist() for batch in plan.batches] == [[5], [SUBWORDS_PER_BATCH + 10]]


def test_many_short_docs_are_cut_by_the_budget() -> None:
    n_docs = SUBWORDS_PER_BATCH // 8 + 1
    plan = make_plan(number([[(0, 8)]] * n_docs), BARE, window=32, stride=16, pooling="first")
    assert [len(batch.lengths) for batch in plan.batches] == [n_docs - 1, 1]


@pytest.mark.parametrize("stride", [4, 5, 6])
def test_special_subwords_leave_no_gap_between_windows(stride: int) -> None:
    """A stride as long as the window is longer than what the special subwords leave of it."""
    plan = make_plan(number([[(0, 1)] * 20]), AROUND, window=6, stride=stride, pooling="first")
    assert sorted(read_ids(plan)) == list(range(20))
    assert all(batch.lengths.max() <= 6 for batch in plan.batches)


def test_a_window_that_special_subwords_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="window = 3 has no room for text beside the 3 special subwords"):
        make_plan(number([[(0, 1)]]), AROUND, window=3, stride=1, pooling="first")


def test_no_docs_and_docs_without_subwords() -> None:
    empty = make_plan([], AROUND, window=6, stride=4, pooling="mean")
    assert (empty.batches, empty.n_words.tolist()) == ([], [])
    dropped = make_plan(number([[], [(0, 0)]]), AROUND, window=6, stride=4, pooling="mean")
    assert (dropped.batches, dropped.n_words.tolist()) == ([], [0, 1])
    assert len(dropped.rows) == len(dropped.words) == 0


TEXTS = [
    "UN praises Danish plan to protect Baltic seals .",
    "",
    "Anna",
    "Peter Piper called Anna at 6 pm on Friday about London. " * 6,
    " \n ",
    "It's the Lloyd's bank's 21st branch in New York, isn't it?",
]


@pytest.mark.parametrize("settings", [{}, {"pooling": "mean"}, {"attention": "causal"}, {"window": 24, "stride": 16}])
def test_vectors_do_not_depend_on_the_company_of_a_doc(tiny_llama: Path, settings: dict[str, Any]) -> None:
    model = make_encoder(tiny_llama, **settings)
    docs = make_docs(*TEXTS)
    alone = [model.predict([doc])[0] for doc in docs]
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [0, 0, 5]):
        together = model.predict([docs[i] for i in order])
        for i, vectors in zip(order, together, strict=True):
            assert vectors.shape == (len(docs[i]), 32)
            np.testing.assert_allclose(vectors, alone[i], atol=1e-5, rtol=1e-4)


def test_a_doc_beside_a_longer_one_is_padded_and_keeps_its_vectors(tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama)
    short, longer = make_docs("Peter called Anna", "Peter called Anna about London on Friday")
    (batch,) = plan_docs(model, [short, longer]).batches
    assert batch.groups == [slice(0, 2)] and batch.lengths[0] < batch.lengths[1]
    np.testing.assert_allclose(model.predict([short, longer])[0], model.predict([short])[0], atol=1e-5, rtol=1e-4)
