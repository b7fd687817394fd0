"""From docs to batches and back: every subword read once, every word pooled from its own subwords."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from tokenizers import Tokenizer, normalizers, processors

from spacy_llama_ner.encoder.architectures import plan_docs
from spacy_llama_ner.encoder.batching import (
    SUBWORDS_PER_BATCH,
    Alignment,
    BatchPlan,
    Pooling,
    Window,
    WindowFormat,
    align,
    make_plan,
    make_windows,
    special_ids,
)
from tests.encoder.samples import NLP, byte_level, make_docs, make_encoder, sentencepiece, template

# for each doc: how many subwords it has, and the borders of its words among them
WORDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=25)
AROUND = WindowFormat(prefix=[-1, -2], suffix=[-3], group_cost=64)
BARE = WindowFormat(prefix=[], suffix=[], group_cost=64)


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


def read_ids(plan: BatchPlan) -> np.ndarray:
    """The subword behind each row that an encoder would give."""
    return np.concatenate([np.zeros(0, "int64"), *(batch.ids[batch.read] for batch in plan.batches)])


def pool(alignments: list[Alignment], vectors: np.ndarray, pooling: Pooling) -> list[list[float]]:
    """A plain reference: word by word."""
    words = []
    for alignment in alignments:
        for first, last in zip(alignment.starts, alignment.ends, strict=True):
            own = vectors[alignment.ids[first:last]]
            chosen = {"first": own[:1], "last": own[-1:], "mean": own}[pooling]
            words.append((chosen.mean(axis=0) if len(own) else np.zeros(vectors.shape[1])).tolist())
    return words


def pool_by_plan(plan: BatchPlan, vectors: np.ndarray) -> np.ndarray:
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
            assert (batch.lengths[group].max() - batch.lengths[group]).sum() <= AROUND.group_cost


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


TOKENIZERS = {
    "byte-level": byte_level(),
    "offsets without spaces": byte_level(post_processor=processors.ByteLevel(trim_offsets=True)),
    "space in front": byte_level(prefix_space=True),
    "special subwords": byte_level(post_processor=template("<s> $A </s>")),
    "composes": byte_level(normalizer=normalizers.NFC()),
    "decomposes": byte_level(normalizer=normalizers.NFKD()),
    "drops accents": byte_level(normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
    "drops outer space": byte_level(normalizer=normalizers.Strip()),
    "drops control characters": byte_level(normalizer=normalizers.BertNormalizer()),
    "sentencepiece": sentencepiece(),
}
AWKWARD = [
    "",
    " ",
    " \n\t ",
    "don't",
    "  Peter   called\n\nAnna .  ",
    "a\u200bb \u200b \ufeff c\u200d",
    "👩‍👩‍👧 at 6 😀😀!",
    "e\u0301te\u0301 \u0301 n\u0303",
    "İstanbul ﬁne ½ ß 한글 日本",
    "nul\x00 \x07bell",
    "x" * 5000,
    "a" + "é" * 5000 + " b",
]
# few letters, many of the characters that make trouble
LETTERS = st.sampled_from("ab E'.,-😀👩‍éé\u200b\u200d\n\t\u00a0ﬁ½ßİ한日\u0300\ufeff")
ALIGNMENT_TEXTS = st.text(LETTERS, max_size=25) | st.text(max_size=25)


def reached(doc: Doc, tokenizer: Tokenizer) -> list[bool]:
    """For each word, whether a subword covers one of its characters: a plain reference."""
    offsets = tokenizer.encode(doc.text, add_special_tokens=False).offsets
    return [any(start < t.idx + len(t) and t.idx < end for start, end in offsets) for t in doc]


def check(doc: Doc, tokenizer: Tokenizer) -> None:
    (alignment,) = align([doc], tokenizer)
    encoding = tokenizer.encode(doc.text, add_special_tokens=False)
    assert alignment.ids.tolist() == encoding.ids
    assert len(alignment.starts) == len(alignment.ends) == len(doc)
    previous_end = 0
    for token, first, last, is_reached in zip(doc, *alignment[1:], reached(doc, tokenizer), strict=True):
        assert 0 <= first <= last <= len(encoding.ids)
        assert (last > first) >= is_reached
        # a word's subwords cover a part of it, or of the space in front
        for start, end in encoding.offsets[first:last]:
            assert start < token.idx + len(token) and (end > token.idx or start >= previous_end)
        previous_end = token.idx + len(token)


def pieces(text: str, tokenizer: Tokenizer) -> list[list[str]]:
    """The subwords of each word."""
    (doc,) = make_docs(text)
    ((ids, first, last),) = align([doc], tokenizer)
    return [[tokenizer.id_to_token(i) for i in ids[a:b]] for a, b in zip(first, last, strict=True)]


@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_word_that_reaches_the_tokenizer_has_a_subword(name: str, text: str) -> None:
    check(NLP(text), TOKENIZERS[name])


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
@given(ALIGNMENT_TEXTS)
def test_any_text(name: str, text: str) -> None:
    check(NLP(text), TOKENIZERS[name])


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=6), st.booleans()), max_size=8))
def test_any_words_however_they_were_cut(words: list[tuple[str, bool]]) -> None:
    doc = Doc(NLP.vocab, words=[word for word, _ in words], spaces=[space for _, space in words])
    for tokenizer in TOKENIZERS.values():
        check(doc, tokenizer)


def test_words_keep_the_space_they_stand_behind() -> None:
    assert pieces("UN praises", byte_level()) == [["UN"], ["Ġpraises"]]
    assert pieces("UN praises", sentencepiece()) == [["▁UN"], ["▁praises"]]


def test_a_subword_across_two_words_belongs_to_the_second_only_where_it_has_no_other() -> None:
    doc = Doc(NLP.vocab, words=["do", "n't", "I", "t", "'s"], spaces=[False, True, False, False, False])
    tokenizer = byte_level()
    tokenizer.add_tokens(["don", "It"])
    ((ids, first, last),) = align([doc], tokenizer)
    tokens = [tokenizer.id_to_token(i) for i in ids]
    assert tokens[0] == "don" and "It" in tokens
    words = [tokens[a:b] for a, b in zip(first, last, strict=True)]
    assert words[0] == ["don"]
    assert words[1][0] == "'" or words[1][0] == "'t"
    assert words[2] == words[3] == ["It"]
    assert "It" not in words[4]


def test_contractions_that_spacy_cuts() -> None:
    first, second = pieces("don't", byte_level())
    assert "".join(first).startswith("do")
    assert "".join(second).endswith("'t")


@pytest.mark.parametrize("space", [True, False])
def test_a_word_that_the_tokenizer_drops_has_no_subword(space: bool) -> None:
    doc = Doc(NLP.vocab, words=["a", "\u200b", "b"], spaces=[space, space, False])
    tokenizer = byte_level(normalizer=normalizers.BertNormalizer())
    ((_, first, last),) = align([doc], tokenizer)
    assert (last - first).tolist() == [1, 0, 1]


def test_all_of_a_long_word_is_covered() -> None:
    ((ids, first, last),) = align(make_docs("x" * 5000), byte_level())
    assert (first[0], last[0]) == (0, len(ids))
    assert len(ids) > 1000


def test_a_doc_without_words_or_of_white_space_only() -> None:
    empty, blank = align(make_docs("", " \n "), byte_level())
    assert [len(array) for array in empty] == [0, 0, 0]
    assert len(blank.starts) == 1
    assert (blank.starts[0], blank.ends[0]) == (0, len(blank.ids))


def test_docs_are_aligned_each_for_itself() -> None:
    docs = make_docs("Peter called", "", "Anna")
    together = align(docs, byte_level())
    assert all(isinstance(alignment, Alignment) for alignment in together)
    for doc, alignment in zip(docs, together, strict=True):
        (alone,) = align([doc], byte_level())
        assert [a.tolist() for a in alone] == [a.tolist() for a in alignment]


@pytest.mark.parametrize(
    ("single", "front", "behind"),
    [("$A", [], []), ("<s> $A", [0], []), ("$A </s>", [], [1]), ("</s> <s> $A </s>", [1, 0], [1])],
)
def test_special_subwords_are_those_that_the_base_expects_around_a_text(
    single: str, front: list[int], behind: list[int]
) -> None:
    assert special_ids(byte_level(post_processor=template(single))) == (front, behind)


def test_a_tokenizer_without_a_template_has_no_special_subwords() -> None:
    assert special_ids(byte_level()) == ([], [])
    assert special_ids(byte_level(normalizer=normalizers.Replace("a", ""))) == ([], [])


SIZES = st.tuples(st.integers(0, 120), st.integers(1, 30)).flatmap(
    lambda sizes: st.tuples(*map(st.just, sizes), st.integers(1, sizes[1]))
)


def context(window: Window, subword: int) -> int:
    """The lesser of what a subword sees to its left and to its right."""
    return min(subword - window.start, window.end - 1 - subword)


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(SIZES)
def test_every_subword_is_read_once_where_it_sees_most(sizes: tuple[int, int, int]) -> None:
    n, window, stride = sizes
    windows = make_windows(n, window=window, stride=stride)
    assert [i for w in windows for i in range(w.read_start, w.read_end)] == list(range(n))
    for w in windows:
        assert 0 <= w.start <= w.read_start < w.read_end <= w.end <= n
        assert w.end - w.start <= window
        for i in range(w.read_start, w.read_end):
            assert context(w, i) == max(context(other, i) for other in windows if other.start <= i < other.end)


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(SIZES)
def test_windows_are_few_and_of_one_size_and_overlap_by_the_same(sizes: tuple[int, int, int]) -> None:
    n, window, stride = sizes
    windows = make_windows(n, window=window, stride=stride)
    assert all(left.end - right.start == window - stride for left, right in pairwise(windows))
    lengths = [w.end - w.start for w in windows]
    assert max(lengths, default=0) - min(lengths, default=0) <= 1
    # with one window less there is too little room
    assert len(windows) <= 1 or window + (len(windows) - 2) * stride < n


def test_example() -> None:
    assert make_windows(20, window=10, stride=6) == [
        Window(0, 9, 0, 7),
        Window(5, 14, 7, 12),
        Window(10, 20, 12, 20),
    ]


@pytest.mark.parametrize("n", [1, 9, 10])
def test_what_fits_is_one_window(n: int) -> None:
    assert make_windows(n, window=10, stride=6) == [Window(0, n, 0, n)]


def test_nothing_has_no_windows() -> None:
    assert make_windows(0, window=10, stride=6) == []
