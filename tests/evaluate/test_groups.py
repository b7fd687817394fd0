"""Scores by length, and of seen and unseen entities."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_llama_ner.evaluate.compare import Judgement, compare
from spacy_llama_ner.evaluate.groups import Tally, by_length, by_seen, mention

from .strategies import Spans, one_example


def judged(gold: Spans, predicted: Spans, *, n: int = 12, missing: list[int] | None = None) -> list[Judgement]:
    example = one_example(gold, predicted, n=n, missing=missing)
    return [(example, compare(example))]


def test_precision_recall_and_f1() -> None:
    tally = Tally(right=2, predicted=4, gold=8)
    assert (tally.p, tally.r, tally.f) == (0.5, 0.25, pytest.approx(1 / 3))


def test_what_is_of_nothing_is_not_there() -> None:
    assert (Tally(gold=1).p, Tally(gold=1).r, Tally(gold=1).f) == (None, 0, 0)
    assert (Tally(predicted=1).p, Tally(predicted=1).r, Tally(predicted=1).f) == (0, None, 0)
    assert Tally().f is None


def test_each_entity_counts_where_its_own_length_is() -> None:
    # one of one word is right; gold has one of two words where three are predicted
    found = by_length(judged([(0, 1, "NAME"), (3, 5, "NAME")], [(0, 1, "NAME"), (3, 6, "NAME")]))
    assert found == {"1": Tally(1, 1, 1), "2": Tally(0, 0, 1), "3": Tally(0, 1, 0)}


def test_five_words_and_more_are_one_group() -> None:
    found = by_length(judged([(0, 5, "NAME"), (6, 12, "NAME")], []))
    assert found == {"5+": Tally(gold=2)}


def test_seen_is_the_same_text_with_the_same_label() -> None:
    gold = [(0, 1, "NAME"), (2, 3, "DATE"), (4, 5, "NAME"), (6, 7, "NAME")]
    # of these three the first is right, the second is of a label that training has not, the third is nothing
    predicted = [(0, 1, "NAME"), (2, 3, "NAME"), (8, 9, "NAME")]
    found = by_seen(judged(gold, predicted), {("w0", "NAME"), ("w2", "DATE"), ("w4", "DATE")})
    assert found == {"seen": Tally(right=1, predicted=1, gold=2), "unseen": Tally(right=0, predicted=2, gold=2)}


def test_a_mention_is_the_same_with_and_without_known_spaces() -> None:
    vocab = spacy.blank("en").vocab
    words = ["Coca", "-", "Cola", "Company"]
    plain = Doc(vocab, words=words)
    written = Doc(vocab, words=words, spaces=[False, False, True, False])
    assert mention(Span(plain, 0, 4, label="ORG")) == mention(Span(written, 0, 4, label="ORG"))
    assert mention(Span(plain, 0, 4, label="ORG")) != mention(Span(plain, 0, 4, label="PER"))


def test_case_matters() -> None:
    assert by_seen(judged([(0, 1, "NAME")], []), {("W0", "NAME")}) == {"unseen": Tally(gold=1)}


def test_predictions_that_cannot_be_judged_are_left_out() -> None:
    assert by_length(judged([], [(0, 1, "NAME")], missing=[0])) == {}
