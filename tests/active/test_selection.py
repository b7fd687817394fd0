"""What a budget buys."""

from __future__ import annotations

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.active.selection import Unit, price, select

TEXTS = [
    "the boat to the island leaves at dawn",  # 8 words
    "who painted this wall",  # 4
    "a wall",  # 2
    "the boat to the island leaves at noon",  # 8, nearly the first one
    "rain",  # 1
    "",
]
VOCAB = Vocab()
DOCS = [Doc(VOCAB, words=text.split()) for text in TEXTS]
SCORES = [0.9, 0.5, 0.7, 0.8, 0.5, 1.0]


def chosen(budget: int, unit: Unit = "words", near: float | None = None, bought: tuple[int, ...] = ()) -> list[int]:
    return select(DOCS, SCORES, budget=budget, unit=unit, near=near, bought=[DOCS[i] for i in bought])


def test_the_highest_scores_come_first_and_among_equals_the_first() -> None:
    assert chosen(100) == [0, 3, 2, 1, 4]
    assert chosen(3, "sentences") == [0, 3, 2]


@pytest.mark.parametrize("budget", range(1, 24))
def test_a_budget_of_words_is_kept(budget: int) -> None:
    assert 0 < sum(price(DOCS[i], "words") for i in chosen(budget)) <= budget


def test_what_is_too_dear_is_passed_over_for_the_next() -> None:
    # the boat takes 8 of 11; of the 3 that are left, 2 go to the wall and 1 to the rain
    assert chosen(11) == [0, 2, 4]


def test_nothing_is_bought_twice() -> None:
    again = select([*DOCS, *DOCS], SCORES * 2, budget=1000, unit="words", near=None)
    assert again == [0, 3, 2, 1, 4]
    assert chosen(100, bought=(0, 4)) == [3, 2, 1]


def test_near_duplicates_are_bought_once() -> None:
    assert chosen(100, near=0.7) == [0, 2, 1, 4]
    assert chosen(100, near=0.7, bought=(3,)) == [2, 1, 4]
    assert 3 in chosen(100, near=0.9)


def test_without_anything_that_fits_nothing_is_chosen() -> None:
    assert select(DOCS[:2], SCORES[:2], budget=3, unit="words", near=None) == []
    assert select([], [], budget=3, unit="words", near=0.8) == []
    assert chosen(0) == []
