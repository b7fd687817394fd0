"""From docs to packed batches of subwords, and from subwords back to words.

`align` tokenizes docs and finds the subwords of each word; `make_plan` cuts docs into overlapping windows
(`make_windows`), packs windows of similar length into batches, and links each word with the subwords that give its
vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Pooling = Literal["first", "last", "mean"]

# Matrix products are near their best speed from about a thousand rows on; more only costs memory.
SUBWORDS_PER_BATCH = 4096


class Alignment(NamedTuple):
    """The subwords of one doc, and for each word the range of subwords that cover it.

    The range is empty for a word that the tokenizer drops (some zero-width characters, white space where its offsets
    leave out spaces).

    Attributes:
        ids: Ids of the subwords, int64 [n_subwords].
        starts: First subword of each word, int64 [n_words].
        ends: End (exclusive) of each word's subwords, int64 [n_words].
    """

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def align(docs: list[Doc], tokenizer: Tokenizer) -> list[Alignment]:
    """Tokenize the running text of each doc, so that words keep the space in front of them.

    Args:
        docs: Docs with any words; their texts are tokenized, not their words.
        tokenizer: The tokenizer of the base.

    Returns:
        One alignment for each doc.
    """
    encodings = tokenizer.encode_batch([doc.text for doc in docs], add_special_tokens=False)
    return [
        align_offsets(doc, np.asarray(e.ids, dtype="int64"), np.asarray(e.offsets, dtype="int64"))
        for doc, e in zip(docs, encodings, strict=True)
    ]


def align_offsets(doc: Doc, ids: np.ndarray, offsets: np.ndarray) -> Alignment:
    """Match subwords with words by the characters that they share.

    Where one subword covers the end of one word and the start of the next ("don" in "do|n't"), the second word starts
    with a subword of its own if it has one.

    Args:
        doc: The doc whose words are aligned.
        ids: Ids of the subwords of its text, int64 [n_subwords].
        offsets: Start and end character of each subword, int64 [n_subwords, 2].

    Returns:
        The subwords of each word.
    """
    subword_starts, subword_ends = offsets.reshape(-1, 2).T
    words = doc.to_array([IDX, LENGTH]).astype("int64").reshape(-1, 2)
    word_starts = words[:, 0]
    word_ends = word_starts + words[:, 1]
    previous_ends = np.concatenate([np.zeros(1, dtype="int64"), word_ends])[: len(words)]
    overlapping = np.searchsorted(subword_ends, word_starts, side="right")
    own = np.searchsorted(subword_starts, previous_ends, side="left")
    ends = np.searchsorted(subword_starts, word_ends, side="left")
    starts = np.where(own < ends, np.maximum(overlapping, own), overlapping)
    return Alignment(ids, starts, np.maximum(starts, ends))


@dataclass(frozen=True)
class WindowFormat:
    """What a base expects of its windows.

    Attributes:
        prefix: Special subwords in front of every window; they count for its length.
        suffix: Special subwords behind every window; they count too.
        group_cost: What one more group of windows costs, as the number of padded subwords that could be encoded in
            the same time.
    """

    prefix: list[int]
    suffix: list[int]
    group_cost: int


def special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Find the special subwords (such as `[CLS]` and `[SEP]`) that the base expects around a text.

    Args:
        tokenizer: The tokenizer of the base.

    Returns:
        Ids of those in front of a text, and of those behind it.
    """
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.encode("a", add_special_tokens=True).ids
    for start in range(len(full) - len(bare) + 1):
        if full[start : start + len(bare)] == bare:
            return list(full[:start]), list(full[start + len(bare) :])
    return [], []


class Window(NamedTuple):
    """A range of a doc's subwords that are encoded together.

    Attributes:
        start: First subword of the window.
        end: End (exclusive) of the window.
        read_start: First subword whose vector is read from this window.
        read_end: End (exclusive) of those.
    """

    start: int
    end: int
    read_start: int
    read_end: int


def make_windows(n_subwords: int, *, window: int, stride: int) -> list[Window]:
    """Cut a doc into overlapping windows.

    There are as few windows as can be, all of the same length but for one subword. Where two overlap, each subword is
    read from the one in which it is farther from an edge, so that the read ranges follow one another without a gap:
    every subword is read exactly once.

    Args:
        n_subwords: Length of the doc.
        window: The most subwords of a window.
        stride: Two windows overlap by `window - stride` subwords.

    Returns:
        The windows in their order; none for an empty doc.
    """
    if n_subwords == 0:
        return []
    overlap = window - stride
    n_windows = max(1, ceil((n_subwords - overlap) / stride))
    starts = [i * (n_subwords - overlap) // n_windows for i in range(n_windows)]
    ends = [*(start + overlap for start in starts[1:]), n_subwords]
    edges = [0, *(start + overlap // 2 for start in starts[1:]), n_subwords]
    return [Window(start, end, *read) for start, end, read in zip(starts, ends, pairwise(edges), strict=True)]


class Batch(NamedTuple):
    """Windows packed one behind the other, in the order of their lengths.

    Attributes:
        ids: Ids of the subwords of all windows, int64 [n_subwords].
        lengths: Length of each window, int64 [n_windows], ascending.
        groups: Slices of the windows; those of a group are similar in length and padded together.
        read: Positions in `ids` whose vectors are wanted, int64 [n_read].
    """

    ids: np.ndarray
    lengths: np.ndarray
    groups: list[slice]
    read: np.ndarray


@dataclass(frozen=True)
class BatchPlan:
    """How a list of docs is encoded.

    The vectors read from all batches, one after the other, are the rows that `rows` points at. A word's vector is the
    mean of the rows that it is linked with, and zero if there are none.

    Attributes:
        batches: The batches of windows.
        rows: Row of each link, int64 [n_links], ascending.
        words: Word of each link, counted through all docs, int64 [n_links].
        n_words: Number of words of each doc, int64 [n_docs].
    """

    batches: list[Batch]
    rows: np.ndarray
    words: np.ndarray
    n_words: np.ndarray


def make_plan(
    alignments: list[Alignment], window_format: WindowFormat, *, window: int, stride: int, pooling: Pooling
) -> BatchPlan:
    """Cut docs into windows and pack these, sorted by length, into batches of at most `SUBWORDS_PER_BATCH` subwords.

    Args:
        alignments: The docs, as `align` gives them.
        window_format: What the base expects of windows.
        window: The most subwords of a window, special ones included.
        stride: Distance between the starts of two windows of a doc, in subwords.
        pooling: Which subwords of a word give its vector.

    Returns:
        The batches, and the links from their rows to words.

    Raises:
        ValueError: If special subwords leave no room in a window.
    """
    prefix, suffix = window_format.prefix, window_format.suffix
    n_special = len(prefix) + len(suffix)
    room = window - n_special
    if room < 1:
        raise ValueError(
            f"window = {window} has no room for text beside the {n_special} special subwords that this base "
            "expects around it. Give a greater window."
        )
    pieces = [
        (
            np.asarray([*prefix, *a.ids[w.start : w.end], *suffix], dtype="int64"),
            w,
            offset,
        )
        for a, offset in zip(alignments, _starts([len(a.ids) for a in alignments]), strict=True)
        for w in make_windows(len(a.ids), window=room, stride=min(stride, room))
    ]
    pieces.sort(key=lambda piece: len(piece[0]))
    row_of_subword = np.zeros(sum(len(a.ids) for a in alignments), dtype="int64")
    batches, n_rows = [], 0
    for chosen in _split_by_budget([len(ids) for ids, _, _ in pieces]):
        batches.append(_pack_batch(pieces[chosen], window_format))
        for _, w, offset in pieces[chosen]:
            n_read = w.read_end - w.read_start
            row_of_subword[offset + w.read_start : offset + w.read_end] = np.arange(n_rows, n_rows + n_read)
            n_rows += n_read
    subwords, words = _link_words(alignments, pooling)
    n_words = np.asarray([len(a.starts) for a in alignments], dtype="int64")
    rows = row_of_subword[subwords]
    order = np.argsort(rows, kind="stable")
    return BatchPlan(batches, rows[order], words[order], n_words)


def _starts(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths])[:-1]


def _split_by_budget(lengths: list[int]) -> list[slice]:
    """Slices of windows within `SUBWORDS_PER_BATCH`; a window that is longer comes alone."""
    slices, start, total = [], 0, 0
    for end, length in enumerate(lengths):
        if end > start and total + length > SUBWORDS_PER_BATCH:
            slices.append(slice(start, end))
            start, total = end, 0
        total += length
    return [*slices, slice(start, len(lengths))] if lengths else []


def _group_similar(lengths: list[int], group_cost: int) -> list[slice]:
    """Slices of windows of ascending lengths, cut where padding would cost more than one more group."""
    slices, start, padding = [], 0, 0
    for end in range(1, len(lengths)):
        padding += (end - start) * (lengths[end] - lengths[end - 1])
        if padding > group_cost:
            slices.append(slice(start, end))
            start, padding = end, 0
    return [*slices, slice(start, len(lengths))]


def _pack_batch(pieces: list[tuple[np.ndarray, Window, int]], window_format: WindowFormat) -> Batch:
    lengths = [len(ids) for ids, _, _ in pieces]
    read = [
        np.arange(start + w.read_start, start + w.read_end) + len(window_format.prefix) - w.start
        for (_, w, _), start in zip(pieces, _starts(lengths), strict=True)
    ]
    ids = np.concatenate([ids for ids, _, _ in pieces])
    groups = _group_similar(lengths, window_format.group_cost)
    return Batch(ids, np.asarray(lengths, dtype="int64"), groups, np.concatenate(read))


def _link_words(alignments: list[Alignment], pooling: Pooling) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of (subword, word), counted through all docs, of the subwords that `pooling` takes."""
    offsets = _starts([len(a.ids) for a in alignments])
    none = np.zeros(0, dtype="int64")
    starts = np.concatenate([none, *(a.starts + o for a, o in zip(alignments, offsets, strict=True))])
    ends = np.concatenate([none, *(a.ends + o for a, o in zip(alignments, offsets, strict=True))])
    words = np.flatnonzero(ends > starts)
    starts, ends = starts[words], ends[words]
    if pooling == "first":
        return starts, words
    if pooling == "last":
        return ends - 1, words
    counts = ends - starts
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within, np.repeat(words, counts)
