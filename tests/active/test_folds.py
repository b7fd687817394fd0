"""Folds and shares of sentences with both labels."""

from __future__ import annotations

import pytest
from spacy.vocab import Vocab

from spacy_llama_ner.active.folds import make_folds
from spacy_llama_ner.active.plan import PlanError

from .samples import make_gold, make_silver

GOLD = make_gold(Vocab(), 20)
SILVER = make_silver(GOLD)


def texts(docs: list) -> list[str]:
    return [doc.text for doc in docs]


def test_each_sentence_is_left_out_once() -> None:
    folds = make_folds(SILVER, GOLD, folds=3, seed=0)
    assert sorted(text for fold in folds for text in texts(fold.held_out)) == sorted(texts(GOLD))
    for fold in folds:
        assert not set(texts(fold.gold)) & set(texts(fold.held_out))
        assert len(fold.gold) + len(fold.held_out) == 20
        assert texts(fold.gold) == texts(fold.silver)


def test_a_greater_share_has_what_a_smaller_one_has() -> None:
    (fold, _) = make_folds(SILVER, GOLD, folds=2, seed=0)
    few, rest = fold.mixed(0.2)
    many, _ = fold.mixed(0.5)
    assert (len(few), len(rest), len(many)) == (2, 8, 5)
    assert texts(many)[:2] == texts(few)
    assert not set(texts(few)) & set(texts(rest))
    assert fold.mixed(0.0)[0] == []
    assert fold.mixed(1.0) == (fold.gold, [])


def test_seeds_draw_and_repeat() -> None:
    first, again, other = (make_folds(SILVER, GOLD, folds=2, seed=seed) for seed in (0, 0, 1))
    assert texts(first[0].gold) == texts(again[0].gold) != texts(other[0].gold)


def test_sentences_without_a_counterpart_are_left_out() -> None:
    folds = make_folds(SILVER, GOLD[:7], folds=2, seed=0)
    assert sorted(text for fold in folds for text in texts(fold.held_out)) == sorted(texts(GOLD[:7]))
    with pytest.raises(PlanError, match="1 of 20 silver sentences have gold labels too; 2 folds need more"):
        make_folds(SILVER, GOLD[:1], folds=2, seed=0)


def test_a_sentence_that_stands_twice_counts_once() -> None:
    gold = make_gold(Vocab(), 20)
    silver = make_silver(gold)
    folds = make_folds([*silver, *silver], gold, folds=4, seed=0)
    assert [len(fold.held_out) for fold in folds] == [5, 5, 5, 5]
