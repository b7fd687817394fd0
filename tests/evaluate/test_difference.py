"""Two systems on the same docs."""

from __future__ import annotations

import pytest
import spacy
from spacy.training import Example

from spacy_llama_ner.evaluate.difference import differences
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
    assert list(found) == ["all", "DATE", "NAME", "TIME"]
    for side, examples in (("first", first), ("second", second)):
        scores = seqeval_score(examples)
        total = getattr(found["all"], side)
        assert (total.p, total.r, total.f) == pytest.approx([scores[f"ents_{key}"] for key in "prf"])
        for label, expected in scores["ents_per_type"].items():
            tally = getattr(found[label], side)
            assert (tally.p or 0, tally.r or 0, tally.f or 0) == pytest.approx(tuple(expected.values()))
    assert found["NAME"].f == pytest.approx(1 - 0.5)
    assert found["TIME"].f == pytest.approx(0 - 1)
    assert found["all"].interval[0] <= (found["all"].f or 0) <= found["all"].interval[1]


def test_a_label_that_only_one_of_them_predicts() -> None:
    nothing, invented = predicted([], []), predicted([("Call", "VERB")], [])
    found = {row.label: row for row in differences(nothing, invented)}
    assert found["VERB"].f is None
    assert (found["VERB"].second.predicted, found["VERB"].second.gold) == (1, 0)


def test_the_same_predictions_do_not_differ() -> None:
    same = predicted([("Ida Holm", "NAME")], [])
    assert all(row.f == 0 and row.interval == (0, 0) for row in differences(same, same))


def test_words_without_gold_annotation_are_left_out() -> None:
    first = predicted([("Friday", "DATE")], [])
    first[0].reference.set_ents([], missing=[first[0].reference[:]])
    assert differences(first, first)[0].first.predicted == 0
