"""Gold and silver labels in one training."""

from __future__ import annotations

import random

import pytest
import spacy
from spacy.vocab import Vocab

from spacy_llama_ner.active.mixture import make_mixture, without_gold

from .samples import make_gold, make_silver

NLP = spacy.blank("en")
GOLD = make_gold(NLP.vocab, 10)
SILVER = make_silver(make_gold(NLP.vocab, 30, seed=2))


def test_gold_replaces_silver_of_the_same_sentence() -> None:
    silver = make_silver(make_gold(Vocab(), 30))
    left = without_gold(silver, GOLD)
    assert len(left) == 20
    assert not {doc.text for doc in left} & {doc.text for doc in GOLD}


def test_a_pass_has_all_gold_and_a_share_of_silver() -> None:
    corpus = make_mixture(GOLD, SILVER, silver_weight=0.2)
    random.seed(0)
    passes = [[eg.reference.text for eg in corpus(NLP)] for _ in range(40)]
    gold, silver = {doc.text for doc in GOLD}, {doc.text for doc in SILVER} - {doc.text for doc in GOLD}
    for texts in passes:
        assert len(texts) == 16
        assert gold <= set(texts)
    # each pass draws others, in another order
    assert {text for texts in passes for text in texts if text in silver} == silver
    assert passes[0] != passes[1]


def test_the_same_random_state_gives_the_same_passes() -> None:
    corpus = make_mixture(GOLD, SILVER, silver_weight=0.5)
    runs = []
    for _ in range(2):
        random.seed(7)
        runs.append([[eg.reference.text for eg in corpus(NLP)] for _ in range(3)])
    assert runs[0] == runs[1]


def test_examples_show_words_alone() -> None:
    for eg in make_mixture(GOLD, [], silver_weight=1.0)(NLP):
        assert not eg.predicted.ents
        assert [token.text for token in eg.predicted] == [token.text for token in eg.reference]


def test_a_pass_without_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        make_mixture([], SILVER, silver_weight=0.0)


def test_a_sentence_that_the_expert_skipped_keeps_its_silver_labels() -> None:
    skipped = GOLD[0].copy()
    skipped.set_ents([], default="missing")
    silver = make_silver(make_gold(Vocab(), 30))
    assert len(without_gold(silver, [skipped])) == 30
