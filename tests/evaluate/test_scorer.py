"""The scorer's numbers are seqeval's own, and spaCy's own."""

from __future__ import annotations

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from spacy.scorer import Scorer, get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from spacy_llama_ner.evaluate.scorer import bio_pair, make_seqeval_scorer, seqeval_score
from tests.evaluate.strategies import LABELS, NLP, examples, make_doc, misaligned_examples, one_example


def assert_is_spacys(batch: list[Example]) -> None:
    ours, theirs = seqeval_score(batch), get_ner_prf(batch)
    for key in ("ents_p", "ents_r", "ents_f"):
        assert (ours[key] or 0.0) == pytest.approx(theirs[key] or 0.0), key
    per_type = {label: prf for label, prf in (theirs["ents_per_type"] or {}).items() if any(prf.values())}
    for label, prf in per_type.items():
        assert ours["ents_per_type"][label] == pytest.approx(prf), label
    for label in (ours["ents_per_type"] or {}).keys() - per_type:
        assert ours["ents_per_type"][label] == {"p": 0.0, "r": 0.0, "f": 0.0}


@given(st.lists(examples(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_scores_are_spacys(batch: list[Example]) -> None:
    assert_is_spacys(batch)


@given(st.lists(examples(), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_scores_are_seqevals_own_on_the_same_tags(batch: list[Example]) -> None:
    pairs = [bio_pair(eg) for eg in batch if eg.reference.has_annotation("ENT_IOB")]
    gold, predicted = [gold for gold, _ in pairs], [predicted for _, predicted in pairs]
    if not any(tag != "O" for tags in (*gold, *predicted) for tag in tags):
        # seqeval's report fails where there is no entity at all
        return
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    ours = seqeval_score(batch)
    assert ours["ents_p"] == pytest.approx(precision_score(gold, predicted, **strict))
    assert ours["ents_r"] == pytest.approx(recall_score(gold, predicted, **strict))
    assert ours["ents_f"] == pytest.approx(f1_score(gold, predicted, **strict))
    report = classification_report(gold, predicted, output_dict=True, **strict)
    by_type = {label: row for label, row in report.items() if label in LABELS}
    assert ours["ents_per_type"].keys() == by_type.keys()
    for label, row in by_type.items():
        expected = {"p": row["precision"], "r": row["recall"], "f": row["f1-score"]}
        assert ours["ents_per_type"][label] == pytest.approx(expected)


@given(misaligned_examples())
@example(Example(make_doc(["ab", "cd"], [(0, 1, "NAME")]), make_doc(["a", "bc", "d"], [(0, 2, "NAME")])))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_scores_are_spacys_on_another_tokenization(eg: Example) -> None:
    projected = [set(eg.alignment.x2y[ent.start : ent.end]) for ent in eg.predicted.ents]
    if sum(map(len, projected)) == len(set().union(*projected)):
        assert_is_spacys([eg])


def test_the_first_counts_of_two_predictions_that_meet_in_one_gold_word() -> None:
    eg = Example(make_doc(["ab", "cd"], [(0, 1, "NAME"), (1, 2, "NAME")]), make_doc(["abcd"], [(0, 1, "NAME")]))
    assert bio_pair(eg) == (["B-NAME"], ["B-NAME"])


def test_a_right_one_of_two_that_meet_counts_wherever_it_stands() -> None:
    eg = Example(make_doc(["ab", "cd"], [(0, 1, "DATE"), (1, 2, "NAME")]), make_doc(["abcd"], [(0, 1, "NAME")]))
    assert bio_pair(eg) == (["B-NAME"], ["B-NAME"])


def test_scores_of_a_case_done_by_hand() -> None:
    eg = one_example([(0, 2, "NAME"), (3, 4, "DATE")], [(0, 2, "NAME"), (3, 5, "DATE")])
    assert seqeval_score([eg]) == {
        "ents_p": 0.5,
        "ents_r": 0.5,
        "ents_f": 0.5,
        "ents_per_type": {
            "DATE": {"p": 0.0, "r": 0.0, "f": 0.0},
            "NAME": {"p": 1.0, "r": 1.0, "f": 1.0},
        },
        "ents_token_acc": 7 / 8,
    }


def test_ents_f_is_that_of_a_spacy_pipeline() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler")
    batch = [one_example([(0, 2, "NAME"), (3, 4, "DATE")], [(0, 2, "NAME"), (5, 6, "TIME")])]
    assert seqeval_score(batch)["ents_f"] == pytest.approx(Scorer(nlp).score(batch)["ents_f"])


def test_two_entities_side_by_side_are_two() -> None:
    eg = one_example([(0, 1, "NAME"), (1, 2, "NAME")], [(0, 2, "NAME")])
    assert bio_pair(eg)[0][:2] == ["B-NAME", "B-NAME"]
    assert seqeval_score([eg])["ents_f"] == 0.0


def test_words_without_gold_annotation_do_not_count() -> None:
    eg = one_example([(0, 1, "NAME")], [(0, 1, "NAME"), (3, 5, "DATE")], missing=[4])
    scores = seqeval_score([eg])
    assert scores["ents_f"] == 1.0
    assert scores["ents_token_acc"] == 1.0
    assert [len(tags) for tags in bio_pair(eg)] == [7, 7]


def test_docs_without_gold_annotation_do_not_count() -> None:
    bare = Example(make_doc(["a", "b"], [(0, 1, "NAME")]), Doc(NLP.vocab, words=["a", "b"], spaces=[False] * 2))
    assert set(seqeval_score([bare]).values()) == {None}
    known = one_example([(0, 1, "NAME")], [(0, 1, "NAME")])
    assert seqeval_score([bare, known]) == seqeval_score([known])


def test_predictions_where_gold_has_no_entity_are_errors() -> None:
    scores = seqeval_score([one_example([], [(0, 1, "NAME")])])
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (0.0, 0.0, 0.0)
    assert scores["ents_per_type"] == {"NAME": {"p": 0.0, "r": 0.0, "f": 0.0}}


def test_no_entity_anywhere_gives_token_accuracy_and_no_type() -> None:
    scores = seqeval_score([one_example([], [])])
    assert not scores["ents_f"]
    assert not scores["ents_per_type"]
    assert scores["ents_token_acc"] == 1.0


def test_empty_docs_and_no_docs_at_all() -> None:
    empty = Example(Doc(NLP.vocab), Doc(NLP.vocab))
    assert not seqeval_score([empty])["ents_f"]
    assert set(seqeval_score([]).values()) == {None}


@pytest.mark.parametrize("labels", [("-Z", "A"), ("X-", "X"), ("A-B", "A"), ("I-X", "X"), ("ü", "O")])
def test_labels_may_hold_what_tags_are_made_of(labels: tuple[str, str]) -> None:
    first, second = labels
    assert_is_spacys([one_example([(0, 1, first), (2, 3, second)], [(0, 1, first), (2, 4, second)])])


def test_registered_as_a_scorer() -> None:
    assert spacy.registry.scorers.get("spacy_llama_ner.seqeval_scorer.v1")() is seqeval_score
    assert make_seqeval_scorer() is seqeval_score
