"""Calibration of a component: the entities stay, and their scores say how often they are right."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llama_ner.evaluate.predict import predict_and_score
from spacy_llama_ner.evaluate.temperature_scaling import CalibrationError, calibrate_component
from tests.evaluate.overconfident import GOLD, gold_examples, make_overconfident
from tests.pipeline.samples import CORPUS, ents, make_nlp, scores


@pytest.fixture(scope="module")
def made(tiny_llama: Path) -> Language:
    return make_overconfident(tiny_llama)


@pytest.fixture
def nlp(made: Language) -> Language:
    return copy.deepcopy(made)


def temperature(nlp: Language, name: str = "llama_ner") -> float:
    value: float = nlp.get_pipe(name).model.get_ref("head").shims[0].module.temperature
    return value


def test_one_that_is_too_sure_learns_doubt(nlp: Language) -> None:
    texts = [text for text, _ in GOLD]
    before = list(nlp.pipe(texts))
    assert min(score for doc in before for score in scores(doc)) > 0.9
    found = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    assert found.temperature == temperature(nlp) > 1.5
    assert found.before > 0.3
    assert found.after < found.before / 2
    assert found.n_entities == sum(len(doc.ents) for doc in before) == 21
    after = list(nlp.pipe(texts))
    assert [ents(doc) for doc in after] == [ents(doc) for doc in before]
    for sure, doubtful in zip(before, after, strict=True):
        assert all(a > b for a, b in zip(scores(sure), scores(doubtful), strict=True))


def test_errors_are_those_that_evaluation_gives(nlp: Language) -> None:
    before = predict_and_score(nlp, gold_examples(nlp))
    found = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    after = predict_and_score(nlp, gold_examples(nlp))
    assert found.before == pytest.approx(before["ents_ece"], abs=1e-6)
    assert found.after == pytest.approx(after["ents_ece"], abs=1e-6)
    assert after["ents_f"] == before["ents_f"]


def test_done_twice_it_gives_the_same(nlp: Language) -> None:
    first = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    second = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    assert second.temperature == first.temperature
    assert second.before == second.after == first.after


def test_docs_that_say_nothing_play_no_part(nlp: Language) -> None:
    expected = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    docs = [nlp.make_doc(text) for text in ("", "Who knows Omar", "")]
    bare = [Example(doc, doc.copy()) for doc in docs]
    found = calibrate_component(nlp, "llama_ner", [*bare, *gold_examples(nlp)])
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert found.n_entities == expected.n_entities


def test_labels_it_does_not_have_count_as_errors_and_not_in_the_fit(nlp: Language) -> None:
    expected = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    doc = nlp.make_doc("Omar")
    gold = doc.copy()
    gold.set_ents([Span(gold, 0, 1, label="BOAT")])
    found = calibrate_component(nlp, "llama_ner", [*gold_examples(nlp), Example(doc, gold)])
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-3)
    assert found.n_entities == expected.n_entities + 1


def test_each_component_has_its_own(nlp: Language, made: Language) -> None:
    nlp.add_pipe("llama_ner", name="second", source=copy.deepcopy(made))
    twin = nlp.get_pipe("second")
    twin.spans_key, twin.overwrite = "second", True
    calibrate_component(nlp, "second", gold_examples(nlp))
    assert temperature(nlp) == 1
    assert temperature(nlp, "second") > 1.5
    doc = nlp(CORPUS[0][0])
    assert max(scores(doc, "second")) < min(scores(doc))


def test_what_an_earlier_one_wrote_to_the_same_group_is_not_its_own(nlp: Language, made: Language) -> None:
    nlp.add_pipe("llama_ner", name="second", source=copy.deepcopy(made))
    with pytest.raises(CalibrationError, match="'second' finds no entity"):
        calibrate_component(nlp, "second", gold_examples(nlp))


def test_what_examples_were_used_for_before_plays_no_part(nlp: Language) -> None:
    examples = gold_examples(nlp)
    predict_and_score(nlp, examples)
    found = calibrate_component(nlp, "llama_ner", examples)
    assert found.after < found.before / 2


def test_a_component_is_judged_by_what_it_adds_to_those_before_it(nlp: Language) -> None:
    patterns = [{"label": "NAME", "pattern": "Omar"}]
    nlp.add_pipe("entity_ruler", before="llama_ner").add_patterns(patterns)
    nlp.add_pipe("spacy_llama_ner_test_never_run", last=True)
    found = calibrate_component(nlp, "llama_ner", gold_examples(nlp))
    assert found.n_entities == sum(len(pieces) for _, pieces in GOLD) - sum(text.count("Omar") for text, _ in GOLD)


@Language.component("spacy_llama_ner_test_never_run")
def never_run(doc: Doc) -> Doc:
    raise AssertionError("What comes after the component plays no part.")


def test_no_entity_found_is_an_error(nlp: Language) -> None:
    docs = [nlp.make_doc(text) for text, pieces in CORPUS if not pieces]
    with pytest.raises(CalibrationError, match=r"'llama_ner' finds no entity in these 2 docs.* Train it longer"):
        calibrate_component(nlp, "llama_ner", [Example(doc, doc.copy()) for doc in docs])
    assert temperature(nlp) == 1


def test_a_component_without_scores_is_an_error(nlp: Language) -> None:
    nlp.get_pipe("llama_ner").spans_key = None
    with pytest.raises(CalibrationError, match="'llama_ner' gives no scores. Set its spans_key"):
        calibrate_component(nlp, "llama_ner", gold_examples(nlp))


def test_a_component_without_weights_is_an_error(tiny_llama: Path) -> None:
    blank = make_nlp(tiny_llama)
    with pytest.raises(CalibrationError, match="'llama_ner' has no weights yet. Train"):
        calibrate_component(blank, "llama_ner", gold_examples(blank))
