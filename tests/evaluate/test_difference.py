"""Two systems on the same docs."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_llama_ner.evaluate.difference import differences
from spacy_llama_ner.evaluate.groups import Tally
from spacy_llama_ner.evaluate.scorer import seqeval_score

from .sample import make_example

NLP = spacy.blank("en")
GOLD = [
    ("Call Ida Holm on Friday.", [("Ida Holm", "NAME"), ("Friday", "DATE")]),
    ("Wake Tomas at noon!", [("Tomas", "NAME"), ("noon", "TIME")]),
]


def predicted(*found: list[tuple[str, str]]) -> list[Example]:
    return [
        make_example(NLP, text, gold=gold, predicted=each) for (text, gold), each in zip(GOLD, found, strict=True)
    ]


def test_each_label_and_all_together_score_as_they_do_alone() -> None:
    first = predicted([("Ida Holm", "NAME"), ("Friday", "TIME")], [("Tomas", "NAME")])
    second = predicted([("Ida", "NAME")], [("Tomas", "NAME"), ("noon", "TIME")])
    found = {row.label: row for row in differences(first, second)}
    assert list(found) == [None, "DATE", "NAME", "TIME"]
    for side, examples in (("first", first), ("second", second)):
        scores = seqeval_score(examples)
        total = getattr(found[None], side)
        assert (total.p, total.r, total.f) == pytest.approx([scores[f"ents_{key}"] for key in "prf"])
        for label, expected in scores["ents_per_type"].items():
            tally = getattr(found[label], side)
            assert (tally.p or 0, tally.r or 0, tally.f or 0) == pytest.approx(tuple(expected.values()))
    assert found["NAME"].f == pytest.approx(1 - 0.5)
    assert found["TIME"].f == pytest.approx(0 - 1)


def test_a_label_that_only_one_of_them_predicts() -> None:
    nothing, invented = predicted([], []), predicted([("Call", "VERB")], [])
    found = {row.label: row for row in differences(nothing, invented)}
    assert found["VERB"].f is None
    assert (found["VERB"].second.predicted, found["VERB"].second.gold) == (1, 0)


def test_the_same_predictions_do_not_differ() -> None:
    same = predicted([("Ida Holm", "NAME")], [])
    assert all(row.f == 0 and row.interval == (0, 0) for row in differences(same * 5, same * 5))


def test_a_label_may_be_called_all() -> None:
    example = make_example(NLP, "Call Ida.", gold=[("Ida", "all")], predicted=[("Call", "all"), ("Ida", "all")])
    total, called_all = differences([example], [example])
    assert (total.label, called_all.label) == (None, "all")
    assert total.first == called_all.first == Tally(right=1, predicted=2, gold=1)


def long_doc(n: int, *, right: int) -> Example:
    """`n` sentences of one name each, of which the first are found."""
    words, starts = ["Ida", "waves"] * n, [True, False] * n
    gold = Doc(NLP.vocab, words=words, sent_starts=starts, ents=["B-NAME", "O"] * n)
    predicted = Doc(NLP.vocab, words=words, ents=["B-NAME", "O"] * right + ["O", "O"] * (n - right))
    return Example(predicted, gold)


def test_the_interval_is_over_sentences() -> None:
    (total, _) = differences([long_doc(40, right=20)], [long_doc(40, right=24)])
    assert total.f and total.interval
    assert total.interval[0] < total.f < total.interval[1]


def test_a_few_sentences_have_no_interval() -> None:
    assert differences([long_doc(9, right=4)], [long_doc(9, right=5)])[0].interval is None
    docs = [make_example(NLP, text, gold=gold, predicted=gold) for text, gold in GOLD * 4]
    assert differences(docs, docs)[0].interval is None
    assert differences(docs + docs, docs + docs)[0].interval == (0, 0)


def test_words_without_gold_annotation_are_left_out() -> None:
    first = predicted([("Friday", "DATE")], [])
    first[0].reference.set_ents([], missing=[first[0].reference[:]])
    assert differences(first, first)[0].first.predicted == 0
