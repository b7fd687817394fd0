"""From docs to packed batches of subwords, and back from subwords to words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from .alignment import Alignment
from .windows import Window, make_windows

Pooling = Literal["first", "last", "mean"]

# Matrix products are near their best speed from about a thousand rows on; more only costs memory.
SUBWORDS_PER_BATCH = 4096


@dataclass(frozen=True)
class Format:
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
class Plan:
    """How a list of docs is encoded.

    The vectors read from all `batches`, one after the other, form the rows that `rows` points at.
    `rows`, ascending, and `words`, int64 [n_links], link rows with the words they belong to: a word's vector is the
    mean of its rows, and zero if it has none. `n_words` int64 [n_docs]: words of each doc.
    """

    batches: list[Batch]
    rows: np.ndarray
    words: np.ndarray
    n_words: np.ndarray


def make_plan(alignments: list[Alignment], form: Format, *, window: int, stride: int, pooling: Pooling) -> Plan:
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
    return Plan(batches, rows[order], words[order], n_words)


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


def _pack(pieces: list[tuple[np.ndarray, Window, int]], form: Format) -> Batch:
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
