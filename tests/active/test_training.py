"""Silver labels that a pipeline does not believe."""

from __future__ import annotations

import random

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.active.training import (
    Disagreement,
    FilteredSilver,
    disputed_words,
    filter_silver,
    initial_silver,
    make_mixture,
    mask_words,
    without_gold,
)
from spacy_llama_ner.data.bio_tags import doc_tags
from tests.active.samples import make_doc, make_gold, make_silver

VOCAB = Vocab()


def tagged(*tags: str) -> Doc:
    return Doc(VOCAB, words=[f"w{i}" for i in range(len(tags))], ents=list(tags))


def test_entities_of_one_side_are_doubted_as_a_whole() -> None:
    silver = tagged("B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC", "O", "B-LOC")
    other = tagged("B-PER", "I-PER", "O", "O", "B-LOC", "O", "B-PER", "B-LOC")
    assert disputed_words(silver, other) == [(3, 6), (6, 7)]
    assert disputed_words(silver, silver) == []


def test_a_label_can_be_doubted_too() -> None:
    assert disputed_words(tagged("B-PER", "I-PER", "O"), tagged("B-LOC", "I-LOC", "O")) == [(0, 2)]


def test_masked_words_have_no_label_and_others_keep_theirs() -> None:
    doc = tagged("B-PER", "I-PER", "O", "B-LOC", "O")
    assert doc_tags(mask_words(doc, [(2, 4)])) == ["B-PER", "I-PER", "-", "-", "O"]
    assert doc_tags(doc) == ["B-PER", "I-PER", "O", "B-LOC", "O"]


def filtered(nlp: Language, disagreement: Disagreement) -> FilteredSilver:
    docs = [
        make_doc(nlp.vocab, "Ana saw the sea .", [("Ana", "NAME")]),
        make_doc(nlp.vocab, "the sea saw Ana .", [("sea", "NAME")]),
        make_doc(nlp.vocab, "nobody saw it .", []),
    ]
    return filter_silver(nlp, docs, disagreement=disagreement)


def test_each_way_to_treat_it() -> None:
    nlp = Language()
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "NAME", "pattern": "Ana"}])  # type: ignore[attr-defined]
    kept, masked, dropped = (filtered(nlp, how) for how in ("keep", "mask", "drop"))
    assert (len(kept.docs), kept.dropped, kept.masked) == (3, 0, 0)
    assert (len(masked.docs), masked.dropped, masked.masked) == (3, 0, 2)
    assert doc_tags(masked.docs[1]) == ["O", "-", "O", "-", "O"]
    assert doc_tags(masked.docs[0]) == ["B-NAME", "O", "O", "O", "O"]
    assert ([doc.text for doc in dropped.docs], dropped.dropped) == (["Ana saw the sea . ", "nobody saw it . "], 1)


def test_without_a_pipeline_silver_is_all_there_is_or_waits() -> None:
    silver, gold = [tagged("B-PER", "O"), tagged("O")], [tagged("B-LOC")]
    assert initial_silver(silver, gold=[], disagreement="mask").docs == silver
    assert initial_silver(silver, gold=gold, disagreement="keep").docs == silver
    for how in ("mask", "drop"):
        assert initial_silver(silver, gold=gold, disagreement=how) == FilteredSilver([], dropped=2)  # type: ignore[arg-type]


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
