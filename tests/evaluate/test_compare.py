"""Which entities the page calls right, wrong, missed."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate.compare import compare

from .sample import make_example

TEXT = "Call Ida Holm on Friday."
IDA, FRIDAY = ("Ida Holm", "NAME"), ("Friday", "DATE")


def test_same_words_and_same_label_are_right() -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[IDA, FRIDAY], predicted=[IDA, FRIDAY]))
    assert [ent.verdict for ent in found.predicted + found.gold] == ["right"] * 4
    assert not found.has_errors


@pytest.mark.parametrize("predicted", [("Holm", "NAME"), ("Ida Holm", "DATE")])
def test_other_words_or_another_label_are_wrong_and_leave_gold_missed(predicted: tuple[str, str]) -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[IDA], predicted=[predicted]))
    assert [ent.verdict for ent in found.predicted] == ["wrong"]
    assert [ent.verdict for ent in found.gold] == ["missed"]
    assert found.counts == {"wrong": 1, "missed": 1}
    assert found.has_errors


def test_entities_are_given_by_their_characters() -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[IDA], predicted=[]))
    assert TEXT[found.gold[0].start : found.gold[0].end] == "Ida Holm"


def test_scores_come_from_the_span_group() -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[], predicted=[IDA, FRIDAY], scores=[0.25, 0.5]))
    assert [ent.score for ent in found.predicted] == [0.25, 0.5]


def test_no_score_without_a_span_group() -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[], predicted=[IDA]))
    assert [ent.score for ent in found.predicted] == [None]


def test_words_without_gold_annotation_are_not_judged() -> None:
    nlp = spacy.blank("en")
    predicted, gold = Doc(nlp.vocab, words=["Ida", "left"]), Doc(nlp.vocab, words=["Ida", "left"])
    predicted.set_ents([Span(predicted, 0, 1, label="NAME")])
    found = compare(Example(predicted, gold))
    assert [ent.verdict for ent in found.predicted] == ["unjudged"]
    assert not found.has_errors


def test_another_tokenization_is_projected_as_spacys_scorer_does() -> None:
    nlp = spacy.blank("en")
    predicted = Doc(nlp.vocab, words=["Ida", "Holm's"], spaces=[True, False])
    predicted.set_ents([Span(predicted, 0, 2, label="NAME")])
    gold = Doc(nlp.vocab, words=["Ida", "Holm", "'s"], spaces=[True, False, False])
    gold.set_ents([Span(gold, 0, 3, label="NAME")])
    assert [ent.verdict for ent in compare(Example(predicted, gold)).predicted] == ["right"]


def test_entities_know_their_words_in_gold() -> None:
    found = compare(make_example(spacy.blank("en"), TEXT, gold=[FRIDAY], predicted=[IDA]))
    assert [ent.words for ent in found.predicted + found.gold] == [(1, 3), (4, 5)]


def test_scores_of_other_span_groups() -> None:
    example = make_example(spacy.blank("en"), TEXT, gold=[], predicted=[IDA], scores=[0.25])
    example.predicted.spans["own"] = example.predicted.spans.pop("llama_ner")
    assert [ent.score for ent in compare(example).predicted] == [None]
    assert [ent.score for ent in compare(example, spans_keys=["other", "own"]).predicted] == [0.25]
