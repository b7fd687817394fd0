"""A stream is cut by words, and gives its docs back in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.pipeline.stream import gather

VOCAB = spacy.blank("en").vocab


def make_docs(lengths: list[int]) -> list[Doc]:
    return [Doc(VOCAB, words=["w"] * n) for n in lengths]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], []),
        ([0], [[0]]),
        ([3, 4, 3], [[3, 4, 3]]),
        ([3, 4, 4], [[3, 4], [4]]),
        ([11, 1, 25, 25, 2], [[11], [1], [25], [25], [2]]),
        ([0] * 12, [[0] * 10, [0] * 2]),
    ],
)
def test_lists_of_at_most_ten_words(lengths: list[int], expected: list[list[int]]) -> None:
    docs = make_docs(lengths)
    groups = list(gather(docs, n_words=10))
    assert [[len(doc) for doc in group] for group in groups] == expected
    assert [id(doc) for group in groups for doc in group] == [id(doc) for doc in docs]


def test_reads_one_doc_further_than_it_gives() -> None:
    taken = []

    def stream() -> Iterator[Doc]:
        for doc in make_docs([6] * 100):
            taken.append(doc)
            yield doc

    first = next(gather(stream(), n_words=10))
    assert len(first) == 1 and len(taken) == 2
