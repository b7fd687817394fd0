"""From docs to packed batches of subwords, and back from subwords to words."""

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


class Window(NamedTuple):
    """Subwords `start:end` are encoded together, of which `read_start:read_end` are read."""

    start: int
    end: int
    read_start: int
    read_end: int


def make_windows(n_subwords: int, *, window: int, stride: int) -> list[Window]:
    """Cut `n_subwords` into windows of at most `window` subwords that overlap by `window - stride`.

    There are as few windows as can be, all of the same length but for one subword. Where two overlap, each subword is
    read from the one in which it is farther from an edge, so that the read ranges follow one another without a gap:
    every subword is read exactly once.
    """
    if n_subwords == 0:
        return []
    overlap = window - stride
    n_windows = max(1, ceil((n_subwords - overlap) / stride))
    starts = [i * (n_subwords - overlap) // n_windows for i in range(n_windows)]
    ends = [*(start + overlap for start in starts[1:]), n_subwords]
    edges = [0, *(start + overlap // 2 for start in starts[1:]), n_subwords]
    return [Window(start, end, *read) for start, end, read in zip(starts, ends, pairwise(edges), strict=True)]


Pooling = Literal["first", "last", "mean"]

# Matrix products are near their best speed from about a thousand rows on; more only costs memory.
SUBWORDS_PER_BATCH = 4096


@dataclass(frozen=True)
class WindowFormat:
    """What a base wants windows to look like.

    prefix, suffix: special subwords in front of every window and behind it; they count for its length.
    cost_of_a_group: what reading one more group costs, in padded subwords that could be read in that time.
    """

    prefix: list[int]
    suffix: list[int]
    cost_of_a_group: int


class Batch(NamedTuple):
    """Windows one behind the other, in the order of their lengths.

    `ids` int64 [n_subwords]; `lengths` int64 [n_windows], ascending; `groups`: slices of the windows, similar in
    length, that are padded together; `read` int64 [n_read]: positions in `ids` whose vectors are wanted.
    """

    ids: np.ndarray
    lengths: np.ndarray
    groups: list[slice]
    read: np.ndarray


@dataclass(frozen=True)
class BatchPlan:
    """How a list of docs is encoded.

    The vectors read from all `batches`, one after the other, form the rows that `rows` points at.
    `rows`, ascending, and `words`, int64 [n_links], link rows with the words they belong to: a word's vector is the
    mean of its rows, and zero if it has none. `n_words` int64 [n_docs]: words of each doc.
    """

    batches: list[Batch]
    rows: np.ndarray
    words: np.ndarray
    n_words: np.ndarray


def make_plan(
    alignments: list[Alignment], form: WindowFormat, *, window: int, stride: int, pooling: Pooling
) -> BatchPlan:
    """Window, sort by length, and cut into batches of at most `SUBWORDS_PER_BATCH` subwords.

    Raises ValueError if special subwords leave no room in a window.
    """
    n_special = len(form.prefix) + len(form.suffix)
    room = window - n_special
    if room < 1:
        raise ValueError(
            f"window = {window} has no room for text beside the {n_special} special subwords that this base "
            "expects around it. Give a greater window."
        )
    pieces = [
        (np.asarray([*form.prefix, *a.ids[w.start : w.end], *form.suffix], dtype="int64"), w, offset)
        for a, offset in zip(alignments, _offsets([len(a.ids) for a in alignments]), strict=True)
        for w in make_windows(len(a.ids), window=room, stride=min(stride, room))
    ]
    pieces.sort(key=lambda piece: len(piece[0]))
    row_of_subword = np.zeros(sum(len(a.ids) for a in alignments), dtype="int64")
    batches, n_rows = [], 0
    for chosen in _cut([len(ids) for ids, _, _ in pieces]):
        batches.append(_pack(pieces[chosen], form))
        for _, w, offset in pieces[chosen]:
            n_read = w.read_end - w.read_start
            row_of_subword[offset + w.read_start : offset + w.read_end] = np.arange(n_rows, n_rows + n_read)
            n_rows += n_read
    subwords, words = _links(alignments, pooling)
    n_words = np.asarray([len(a.first) for a in alignments], dtype="int64")
    rows = row_of_subword[subwords]
    order = np.argsort(rows, kind="stable")
    return BatchPlan(batches, rows[order], words[order], n_words)


def _offsets(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths])[:-1]


def _cut(lengths: list[int]) -> list[slice]:
    """Slices of `lengths` within the budget; what is longer than it comes alone."""
    slices, start, total = [], 0, 0
    for end, length in enumerate(lengths):
        if end > start and total + length > SUBWORDS_PER_BATCH:
            slices.append(slice(start, end))
            start, total = end, 0
        total += length
    return [*slices, slice(start, len(lengths))] if lengths else []


def _group(lengths: list[int], cost: int) -> list[slice]:
    """Slices of ascending `lengths`, cut where padding would cost more than one more group does."""
    slices, start, padding = [], 0, 0
    for end in range(1, len(lengths)):
        padding += (end - start) * (lengths[end] - lengths[end - 1])
        if padding > cost:
            slices.append(slice(start, end))
            start, padding = end, 0
    return [*slices, slice(start, len(lengths))]


def _pack(pieces: list[tuple[np.ndarray, Window, int]], form: WindowFormat) -> Batch:
    lengths = [len(ids) for ids, _, _ in pieces]
    read = [
        np.arange(start + w.read_start, start + w.read_end) + len(form.prefix) - w.start
        for (_, w, _), start in zip(pieces, _offsets(lengths), strict=True)
    ]
    ids = np.concatenate([ids for ids, _, _ in pieces])
    groups = _group(lengths, form.cost_of_a_group)
    return Batch(ids, np.asarray(lengths, dtype="int64"), groups, np.concatenate(read))


def _links(alignments: list[Alignment], pooling: Pooling) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of (subword, word), counted through all docs, of the subwords that `pooling` reads."""
    offsets = _offsets([len(a.ids) for a in alignments])
    none = np.zeros(0, dtype="int64")
    first = np.concatenate([none, *(a.first + o for a, o in zip(alignments, offsets, strict=True))])
    last = np.concatenate([none, *(a.last + o for a, o in zip(alignments, offsets, strict=True))])
    words = np.flatnonzero(last > first)
    first, last = first[words], last[words]
    if pooling == "first":
        return first, words
    if pooling == "last":
        return last - 1, words
    counts = last - first
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within, np.repeat(words, counts)
