"""The scores are those of `nlp.evaluate`, and how they are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from wasabi.printer import Printer

from spacy_llama_ner.evaluate.predict import (
    change_rows,
    percent,
    percent_interval,
    predict_and_score,
    print_scores,
    score_groups,
    score_rows,
    signed_percent,
)
from spacy_llama_ner.evaluate.scorer import seqeval_score
from tests.evaluate.sample import GOLD, make_ruler, write_corpus
from tests.pipeline.samples import learn_by_heart, make_examples, make_nlp, scores

SCORES = {
    "ents_p": 0.5,
    "ents_r": 0.25,
    "ents_f": 1 / 3,
    "ents_per_type": {"NAME": {"p": 1.0, "r": 0.25, "f": 0.4}, "DATE": {"p": 0.0, "r": 0.0, "f": 0.0}},
}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(write_corpus(tmp_path / "gold.spacy"))


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_scores_are_those_of_nlp_evaluate(corpus: Corpus, batch_size: int | None) -> None:
    nlp = make_ruler()
    expected = nlp.evaluate(corpus(nlp))
    found = predict_and_score(nlp, list(corpus(nlp)), batch_size=batch_size)
    assert found.keys() == expected.keys() | {"ents_token_acc"}
    assert {key: found[key] for key in expected if key != "speed"} == {
        key: value for key, value in expected.items() if key != "speed"
    }
    assert found["speed"] > 0


def test_what_examples_were_used_for_before_plays_no_part(corpus: Corpus) -> None:
    examples = list(corpus(make_ruler()))
    first = predict_and_score(make_ruler(), examples)
    nothing = predict_and_score(spacy.blank("en"), examples)
    assert first["ents_f"] > 0 and nothing["ents_f"] == 0


def test_a_doc_that_spacy_would_not_tokenize_for_its_length_is_scored() -> None:
    nlp = make_ruler()
    nlp.max_length = 20
    words = ["Ida", "Holm", "waves", "and", "waves", "again"]
    gold = Doc(nlp.vocab, words=words, ents=["B-NAME", "I-NAME", "O", "O", "O", "O"])
    assert predict_and_score(nlp, [Example(Doc(nlp.vocab, words=words), gold)])["ents_f"] is not None


def test_scores_of_entities_get_a_calibration_error_under_any_key(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, spans_key="mine")
    examples = make_examples(nlp)
    learn_by_heart(nlp, examples)
    nlp.select_pipes(disable=["llama_ner"])
    assert "ents_ece" not in predict_and_score(nlp, examples)
    nlp.enable_pipe("llama_ner")
    found = predict_and_score(nlp, examples)
    # all entities are right, in the bin of the highest scores
    assert found["ents_f"] == 1
    sure = [score for eg in examples for score in scores(eg.predicted, "mine")]
    assert min(sure) > 0.9
    assert found["ents_ece"] == pytest.approx(1 - sum(sure) / len(sure), abs=1e-6)


def test_predictions_are_filled_in(corpus: Corpus) -> None:
    nlp = make_ruler()
    examples = list(corpus(nlp))
    predict_and_score(nlp, examples)
    assert [[ent.label_ for ent in eg.predicted.ents] for eg in examples] == [
        ["NAME", "DATE"],
        [],
        ["NAME", "DATE"],
        [],
    ]
    assert [eg.reference.text for eg in examples] == [text for text, _ in GOLD]


def test_a_component_without_a_scorer_gets_seqevals_scores(corpus: Corpus) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler", config={"scorer": None}).add_patterns([{"label": "NAME", "pattern": "Tomas"}])
    examples = list(corpus(nlp))
    found = predict_and_score(nlp, examples)
    expected = seqeval_score(examples)
    assert expected["ents_f"] > 0
    assert {key: found[key] for key in expected} == expected


def test_a_progress_bar_shows_once_the_work_takes_a_while(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nlp = make_ruler()
    predict_and_score(nlp, list(corpus(nlp)))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("spacy_llama_ner.evaluate.predict.PATIENCE", 0)
    predict_and_score(nlp, list(corpus(nlp)))
    assert "Predicting" in capsys.readouterr().err


def test_numpy_numbers_of_other_components_become_plain(corpus: Corpus) -> None:
    nlp = make_ruler()
    nlp.add_pipe("spacy_llama_ner_test_numpy_scores")
    assert type(predict_and_score(nlp, list(corpus(nlp)))["numpy_score"]) is float


def test_span_groups_with_scores_are_those_of_the_components_that_keep_them() -> None:
    nlp = make_ruler()
    nlp.add_pipe("llama_ner")
    nlp.add_pipe("llama_ner", name="second", config={"spans_key": "own"})
    nlp.add_pipe("llama_ner", name="third", config={"spans_key": None})
    assert score_groups(nlp) == {"llama_ner": "llama_ner", "second": "own"}


@Language.factory("spacy_llama_ner_test_numpy_scores")
class NumpyScores:
    """A component whose score is a numpy number."""

    def __init__(self, nlp: Language, name: str) -> None:
        pass

    def __call__(self, doc: Doc) -> Doc:
        return doc

    def score(self, examples: object, **kwargs: object) -> dict[str, np.float64]:
        return {"numpy_score": np.float64(0.5)}


def test_one_row_for_all_and_one_a_label() -> None:
    assert score_rows(SCORES, {"NAME": 1200}) == [
        ("all", "50.00", "25.00", "33.33", "1,200"),
        ("DATE", "0.00", "0.00", "0.00", "0"),
        ("NAME", "100.00", "25.00", "40.00", "1,200"),
    ]


def test_a_label_without_scores_still_has_its_row() -> None:
    nothing = {"ents_p": None, "ents_r": None, "ents_f": None, "ents_per_type": None}
    assert score_rows(nothing, {"NAME": 2}) == [("all", "-", "-", "-", "2"), ("NAME", "-", "-", "-", "2")]


def test_percentages_have_two_decimals() -> None:
    assert percent(0.88973) == "88.97"
    assert signed_percent(0.01234) == "+1.23"
    assert percent_interval((-0.05, 0.1)) == "-5.00 to +10.00"
    assert percent(None) == signed_percent(None) == percent_interval(None) == "-"


@pytest.mark.parametrize(("more", "shown"), [({}, False), ({"ents_ece": 0.0312}, True)])
def test_calibration_error_is_shown_where_there_is_one(
    more: dict[str, float], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_scores({**SCORES, "ents_token_acc": 0.9, "speed": 1200.0, **more}, {}, msg=Printer())
    printed = " ".join(capsys.readouterr().out.split())
    assert "Token accuracy 90.00" in printed and "Words per second 1,200" in printed
    assert ("Calibration error (ECE) 3.12" in printed) is shown


def test_answers_that_do_not_parse_are_shown_where_answers_were_written(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {**SCORES, "ents_token_acc": 0.9, "speed": 1200.0}
    print_scores(scores, {}, msg=Printer())
    assert "do not parse" not in capsys.readouterr().out
    print_scores({**scores, "parse_failures": 3}, {}, msg=Printer())
    assert "Answers that do not parse 3" in " ".join(capsys.readouterr().out.split())


def test_what_has_become_of_each_label() -> None:
    before = {"ents_f": 0.5, "ents_per_type": {"NAME": {"f": 0.9}, "DATE": {"f": 0.4}}}
    after = {"ents_f": 0.75, "ents_per_type": {"NAME": {"f": 0.85}, "all": {"f": 1.0}}}
    assert change_rows(before, after, {"NAME": 1000, "all": 2}) == [
        ("all", "50.00", "75.00", "+25.00", "1,002"),
        ("DATE", "40.00", "-", "-", "0"),
        ("NAME", "90.00", "85.00", "-5.00", "1,000"),
        ("all", "-", "100.00", "-", "2"),
    ]
