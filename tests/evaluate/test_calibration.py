"""How far scores are probabilities."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_llama_ner.evaluate.calibration import Bin, calibration_bins, expected_calibration_error, scored_entities
from tests.evaluate.sample import make_example

NLP = spacy.blank("en")
IDA, FRIDAY = ("Ida Holm", "NAME"), ("Friday", "DATE")
TEXT = "Call Ida Holm on Friday."


def test_error_is_the_weighted_distance_of_confidence_and_accuracy() -> None:
    # three in the last bin: mean 0.95, two right; one in the fifth: 0.4, wrong
    scores, right = [0.9, 0.95, 1.0, 0.4], [True, True, False, False]
    expected = 3 / 4 * (0.95 - 2 / 3) + 1 / 4 * 0.4
    assert expected_calibration_error(scores, right) == pytest.approx(expected)


def test_too_little_confidence_counts_as_much_as_too_much() -> None:
    assert expected_calibration_error([0.25], [True]) == pytest.approx(0.75)
    assert expected_calibration_error([0.75], [False]) == pytest.approx(0.75)


def test_scores_that_are_probabilities_have_no_error() -> None:
    assert expected_calibration_error([0.8] * 5, [True] * 4 + [False]) == pytest.approx(0)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0


def test_the_number_of_bins_matters() -> None:
    # in one bin the two errors cancel each other out
    scores, right = [0.25, 0.75], [True, False]
    assert expected_calibration_error(scores, right, bins=1) == pytest.approx(0)
    assert expected_calibration_error(scores, right, bins=2) == pytest.approx(0.75)


def test_bins_are_of_equal_width_and_empty_ones_stay() -> None:
    assert calibration_bins([0.1, 0.2, 0.9], [False, True, True], bins=4) == [
        Bin(0.0, 0.25, 2, pytest.approx(0.15), 0.5),
        Bin(0.25, 0.5, 0, None, None),
        Bin(0.5, 0.75, 0, None, None),
        Bin(0.75, 1.0, 1, 0.9, 1.0),
    ]


@pytest.mark.parametrize("tenths", range(11))
def test_an_edge_belongs_to_the_bin_above_it_and_1_to_the_last(tenths: int) -> None:
    counts = [row.count for row in calibration_bins([tenths / 10], [True])]
    assert counts.index(1) == min(tenths, 9)


@pytest.mark.parametrize(
    ("scores", "right", "bins", "said"),
    [
        ([], [], 10, "at least one entity"),
        ([0.5], [True, False], 10, "1 scores and 2 verdicts"),
        ([0.5, 1.5], [True, True], 10, "from 0.5 to 1.5"),
        ([float("nan")], [True], 10, "probabilities"),
        ([0.5], [True], 0, "`bins` is 0"),
    ],
)
def test_what_makes_no_sense_is_refused(scores: list[float], right: list[bool], bins: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        expected_calibration_error(scores, right, bins=bins)


def test_an_entity_is_right_if_start_end_and_label_are_gold() -> None:
    predicted = [("Call", "NAME"), ("Ida Holm", "DATE"), FRIDAY]
    example = make_example(NLP, TEXT, gold=[IDA, FRIDAY], predicted=predicted, scores=[0.25, 0.5, 0.75])
    assert scored_entities([example], spans_key="llama_ner") == ([0.25, 0.5, 0.75], [False, False, True])


def test_another_boundary_is_wrong() -> None:
    example = make_example(NLP, TEXT, gold=[IDA], predicted=[("Holm", "NAME")], scores=[0.5])
    assert scored_entities([example], spans_key="llama_ner") == ([0.5], [False])


def test_the_spans_are_those_of_the_group_whatever_the_entities_are() -> None:
    example = make_example(NLP, TEXT, gold=[IDA], predicted=[])
    doc = example.predicted
    doc.spans["own"] = SpanGroup(doc, name="own", spans=[Span(doc, 1, 3, label="NAME")], attrs={"scores": [0.5]})
    assert scored_entities([example], spans_key="own") == ([0.5], [True])
    assert scored_entities([example], spans_key="llama_ner") == ([], [])


def test_words_without_gold_annotation_are_left_out() -> None:
    example = make_example(NLP, TEXT, gold=[], predicted=[IDA], scores=[0.5])
    bare = Example(example.predicted, Doc(NLP.vocab, words=[token.text for token in example.predicted]))
    assert scored_entities([example], spans_key="llama_ner") == ([0.5], [False])
    assert scored_entities([bare], spans_key="llama_ner") == ([], [])
