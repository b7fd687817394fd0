"""Errors by kind."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example

from spacy_llama_ner.evaluate.compare import compare
from spacy_llama_ner.evaluate.pairs import KINDS, Pair, Spot, confusion, count_kinds, pair_all, pair_up
from spacy_llama_ner.evaluate.scorer import seqeval_score

from .strategies import examples

A: Spot = (2, 5, "NAME")


@pytest.mark.parametrize(
    ("predicted", "kind"),
    [
        ((2, 5, "NAME"), "correct"),
        ((2, 5, "DATE"), "type"),
        ((2, 4, "NAME"), "boundary"),
        ((0, 9, "NAME"), "boundary"),
        ((4, 6, "DATE"), "both"),
    ],
)
def test_entities_that_share_a_word_are_a_pair(predicted: Spot, kind: str) -> None:
    assert pair_up([A], [predicted]) == [Pair(kind, A, predicted)]


@pytest.mark.parametrize("predicted", [(5, 6, "NAME"), (0, 2, "NAME")])
def test_neighbours_are_not(predicted: Spot) -> None:
    assert pair_up([A], [predicted]) == [Pair("missed", A, None), Pair("spurious", None, predicted)]


def test_nothing_makes_no_pairs() -> None:
    assert pair_up([], []) == []


def test_each_entity_is_in_one_pair() -> None:
    first, second = (2, 3, "NAME"), (4, 5, "NAME")
    assert pair_up([A], [first, second]) == [Pair("boundary", A, first), Pair("spurious", None, second)]
    assert pair_up([first, second], [A]) == [Pair("boundary", first, A), Pair("missed", second, None)]


def test_better_pairs_are_made_first() -> None:
    # the prediction overlaps with two gold entities of its type, more with the second
    assert pair_up([(0, 2, "NAME"), (2, 6, "NAME")], [(1, 5, "NAME")])[0].gold == (2, 6, "NAME")
    # same boundary before same type, even if it comes later
    pairs = pair_up([A], [(1, 3, "NAME"), (2, 5, "DATE")])
    assert pairs[0] == Pair("type", A, (2, 5, "DATE"))
    # same type before more words
    pairs = pair_up([(0, 6, "NAME")], [(0, 4, "DATE"), (5, 6, "NAME")])
    assert pairs[0].kind == "boundary"


def test_counts_by_gold_label_and_spurious_ones_by_their_own() -> None:
    pairs = pair_up([(0, 1, "NAME"), (3, 4, "NAME")], [(0, 1, "DATE"), (6, 7, "TIME")])
    assert count_kinds(pairs) == {"NAME": {"type": 1, "missed": 1}, "TIME": {"spurious": 1}}


def test_confusion_is_of_labels_whatever_the_boundaries() -> None:
    pairs = pair_up(
        [(0, 2, "NAME"), (3, 4, "NAME"), (6, 7, "DATE")],
        [(0, 1, "NAME"), (3, 4, "DATE"), (8, 9, "TIME")],
    )
    assert confusion(pairs) == {
        ("NAME", "NAME"): 1,
        ("NAME", "DATE"): 1,
        ("DATE", None): 1,
        (None, "TIME"): 1,
    }


@given(st.lists(examples(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_pairs_hold_every_entity_once_and_agree_with_the_scores(batch: list[Example]) -> None:
    comparisons = [compare(eg) for eg in batch if eg.reference.has_annotation("ENT_IOB")]
    pairs = pair_all(comparisons)
    kinds = Counter(pair.kind for pair in pairs)
    n_gold = sum(len(each.gold) for each in comparisons)
    n_predicted = sum(ent.verdict != "unjudged" for each in comparisons for ent in each.predicted)
    assert sum(kinds[kind] for kind in KINDS if kind != "spurious") == n_gold
    assert sum(kinds[kind] for kind in KINDS if kind != "missed") == n_predicted
    total = n_gold + n_predicted
    assert (seqeval_score(batch)["ents_f"] or 0.0) == pytest.approx(2 * kinds["correct"] / total if total else 0.0)
