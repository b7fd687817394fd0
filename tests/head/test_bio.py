"""Tags are numbers whose parity says B or I."""

from __future__ import annotations

import numpy as np
import pytest

from spacy_llama_ner.head.bio import count_tags, illegal_transitions, is_inside, tag_names, tags_to_spans
from tests.head.samples import is_legal


def test_names_of_tags_in_their_order() -> None:
    assert tag_names(["DATE", "NAME"]) == ["O", "B-DATE", "I-DATE", "B-NAME", "I-NAME"]
    assert tag_names([]) == ["O"]


@pytest.mark.parametrize("n_labels", [0, 1, 4])
def test_each_label_has_two_tags_beside_o(n_labels: int) -> None:
    assert count_tags(n_labels) == len(tag_names([f"L{i}" for i in range(n_labels)]))


@pytest.mark.parametrize("n_labels", [0, 1, 3])
def test_the_tables_say_what_the_names_say(n_labels: int) -> None:
    names = tag_names([f"L{i}" for i in range(n_labels)])
    n_tags = len(names)
    assert is_inside(n_tags).tolist() == [name.startswith("I-") for name in names]
    for before in range(n_tags):
        for after in range(n_tags):
            # what stands before the first tag plays no part
            prefix = (before - 1, before) if names[before].startswith("I-") else (before,)
            legal = is_legal((*prefix, after), names)
            assert illegal_transitions(n_tags)[before, after] == (not legal)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], []),
        ([0, 0], []),
        ([1], [(0, 1, 0)]),
        ([1, 2, 2], [(0, 3, 0)]),
        ([1, 1], [(0, 1, 0), (1, 2, 0)]),
        ([1, 2, 3, 4, 0, 3], [(0, 2, 0), (2, 4, 1), (5, 6, 1)]),
        ([0, 3, 4, 1], [(1, 3, 1), (3, 4, 0)]),
    ],
)
def test_spans_of_a_tag_sequence(tags: list[int], expected: list[tuple[int, int, int]]) -> None:
    assert list(tags_to_spans(np.asarray(tags, dtype="int64"))) == expected
