"""Two systems on the same docs."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_llama_ner.evaluate.matching import Tally
from spacy_llama_ner.evaluate.scorer import seqeval_score
from spacy_llama_ner.evaluate.significance import difference_interval, differences, f1_interval
from tests.evaluate.sample import make_example

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


RIGHT, WRONG, EMPTY = Tally(1, 1, 1), Tally(0, 1, 1), Tally()


def test_the_f1_lies_in_its_interval_which_shrinks_with_more_docs() -> None:
    few, many = (f1_interval([RIGHT, RIGHT, RIGHT, WRONG] * times) for times in (5, 500))
    assert few[0] < many[0] < 0.75 < many[1] < few[1]


def test_it_is_as_wide_as_the_spread_of_a_share() -> None:
    """For one entity a doc, F1 is a share of n docs, whose interval is some 1.96 standard errors to each side."""
    low, high = f1_interval([RIGHT] * 600 + [WRONG] * 400)
    margin = 1.96 * (0.6 * 0.4 / 1000) ** 0.5
    assert (low, high) == pytest.approx((0.6 - margin, 0.6 + margin), abs=0.004)


def test_nothing_varies_where_all_docs_are_alike() -> None:
    assert f1_interval([RIGHT] * 10) == (1, 1)
    assert f1_interval([WRONG] * 10) == (0, 0)
    assert f1_interval([EMPTY]) == f1_interval([]) == (0, 0)


def test_the_same_each_time() -> None:
    docs = [RIGHT, WRONG, EMPTY] * 20
    assert f1_interval(docs) == f1_interval(docs)


def test_a_difference_on_the_same_docs_is_surer_than_the_two_intervals_tell() -> None:
    first = [RIGHT] * 60 + [WRONG] * 40
    second = [RIGHT] * 55 + [WRONG] * 45
    low, high = difference_interval(first, second)
    assert 0 < low < 0.05 < high
    assert f1_interval(second)[1] > f1_interval(first)[0]


def test_a_system_does_not_differ_from_itself() -> None:
    docs = [RIGHT, WRONG, EMPTY] * 20
    assert difference_interval(docs, docs) == (0, 0)
