"""The `llama_ner` component: its default config, its labels, predictions and scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.scorer import Scorer, get_ner_prf
from spacy.training import Example

from spacy_llama_ner.evaluate import seqeval_score
from spacy_llama_ner.head import TaggingLoss
from spacy_llama_ner.head.architectures import get_tagging_loss
from spacy_llama_ner.pipeline.llama_ner import find_components, only_component
from tests.pipeline.samples import CORPUS, LABELS, annotated, ents, make_example, make_examples, make_nlp, train


@pytest.fixture
def default_nlp() -> Language:
    """A pipeline with an untrained component, without any settings."""
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner")
    return nlp


def test_by_default_it_is_the_embedded_base_with_a_linear_head(default_nlp: Language) -> None:
    ner = default_nlp.get_pipe("llama_ner")
    encoder = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (encoder.base, encoder.attention, encoder.lora.rank) == ("smollm2-135m", "bidirectional", 16)
    assert ner.model.get_ref("head").attrs["shape"] == ("linear", 0, 0)
    assert get_tagging_loss(ner.model) == TaggingLoss()
    assert (ner.spans_key, ner.overwrite, ner.scorer) == ("llama_ner", False, seqeval_score)
    assert not ner.is_initialized


def test_the_config_has_all_settings(default_nlp: Language) -> None:
    again = spacy.blank("en").from_config(default_nlp.config)
    assert again.config == default_nlp.config
    assert again.get_pipe("llama_ner").model.get_ref("tok2vec").attrs["settings"].base == "smollm2-135m"


def test_a_config_may_change_one_setting(default_nlp: Language) -> None:
    ner = spacy.blank("en").add_pipe(
        "llama_ner", config={"model": {"tok2vec": {"attention": "causal", "lora": None}}}
    )
    settings = ner.model.get_ref("tok2vec").attrs["settings"]
    assert (settings.base, settings.attention, settings.lora) == ("smollm2-135m", "causal", None)


def test_the_factory_has_its_assigns_and_score_weights(default_nlp: Language) -> None:
    meta = default_nlp.get_pipe_meta("llama_ner")
    assert set(meta.assigns) == {"doc.ents", "token.ent_iob", "token.ent_type"}
    assert meta.default_score_weights["ents_f"] == 1.0
    assert default_nlp.analyze_pipes()["summary"]["llama_ner"]["assigns"] == meta.assigns


def test_without_weights_it_says_to_train_or_load(default_nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"no weights yet\. Train it"):
        default_nlp("Mia Brook")


def test_unknown_settings_are_an_error() -> None:
    with pytest.raises(ValueError, match="unexpected argument: 'basis'"):
        spacy.blank("en").add_pipe("llama_ner", config={"model": {"tok2vec": {"basis": "smollm2-135m"}}})


def test_labels_are_those_of_the_training_data_sorted(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.labels == ()
    assert not ner.is_initialized
    blank.initialize(lambda: make_examples(blank))
    assert ner.is_initialized
    assert ner.labels == ("DATE", "NAME")
    assert ner.label_data == ["DATE", "NAME"]
    assert blank.pipe_labels["llama_ner"] == ["DATE", "NAME"]


def test_labels_may_be_given(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    ner.initialize(lambda: make_examples(blank), nlp=blank, labels=["TIME", "NAME", "DATE"])
    assert ner.labels == ("TIME", "NAME", "DATE")
    assert ner.model.get_ref("head").get_dim("nO") == 7


def test_labels_may_come_from_a_file(blank: Language, tmp_path: Path) -> None:
    path = tmp_path / "llama_ner.json"
    srsly.write_json(path, ["TIME", "DATE", "NAME"])
    reader = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    blank.config["initialize"]["components"]["llama_ner"] = {"labels": reader}
    blank.initialize(lambda: make_examples(blank))
    assert blank.get_pipe("llama_ner").labels == ("TIME", "DATE", "NAME")


def test_labels_added_before_training_come_first(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.add_label("TIME") == 1
    assert ner.add_label("TIME") == 0
    blank.initialize(lambda: make_examples(blank))
    assert ner.labels == ("TIME", "DATE", "NAME")


def test_initializing_again_keeps_labels_and_makes_fresh_weights(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    text = CORPUS[0][0]
    before = ner.model.predict([nlp.make_doc(text)])[0]
    nlp.initialize(lambda: make_examples(nlp))
    assert ner.labels == tuple(LABELS)
    assert abs(ner.model.predict([nlp.make_doc(text)])[0] - before).max() > 0.1


def test_labels_outlive_a_memory_zone_that_meets_them_first(tiny_llama: Path, trained_folder: Path) -> None:
    trained = spacy.load(trained_folder)
    nlp = make_nlp(tiny_llama)
    nlp.get_pipe("llama_ner").from_disk(trained_folder / "llama_ner", exclude=["vocab"])
    with nlp.memory_zone():
        label = nlp(CORPUS[0][0]).ents[0].label
    assert nlp.vocab.strings[label] == trained.vocab.strings[label] == "NAME"


@pytest.mark.parametrize("texts", [["please water the plants"], [""]])
def test_no_labels_anywhere_is_an_error(blank: Language, texts: list[str]) -> None:
    examples = [Example(blank.make_doc(text), annotated(blank.make_doc(text), [])) for text in texts]
    with pytest.raises(ValueError, match=r"'llama_ner' has no labels.* `add_label` or \[initialize"):
        blank.initialize(lambda: examples)


@pytest.mark.parametrize("label", ["", None, 3])
def test_a_label_is_a_string(blank: Language, label: object) -> None:
    with pytest.raises(ValueError, match="A label is a non-empty string, but"):
        blank.get_pipe("llama_ner").add_label(label)


def test_a_label_added_to_a_trained_component_changes_no_other_emission(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    docs = [nlp.make_doc(text) for text, _ in CORPUS]
    before = ner.model.predict(docs)
    assert ner.add_label("PLACE") == 1
    after = ner.model.predict(docs)
    for old, new in zip(before, after, strict=True):
        assert abs(new[:, :5] - old).max() < 1e-5
        assert new.shape[1] == 7
    assert ner.labels == ("DATE", "NAME", "PLACE")


def test_added_labels_go_when_an_earlier_state_is_loaded(nlp: Language, tmp_path: Path) -> None:
    ner = nlp.get_pipe("llama_ner")
    before = nlp.to_bytes()
    nlp.to_disk(tmp_path)
    for load in (lambda: nlp.from_bytes(before), lambda: nlp.from_disk(tmp_path)):
        ner.add_label("THING")
        load()
        assert ner.labels == ("DATE", "NAME")
        assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]
        assert ner.add_label("THING") == 1


def test_a_model_that_is_excluded_from_loading_keeps_its_labels(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("THING")
    ner.from_bytes(ner.to_bytes(exclude=["model"]), exclude=["model"])
    assert ner.model.get_ref("head").get_dim("nO") == 7
    assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]


def test_an_added_label_can_be_learned_and_saved(nlp: Language, tmp_path: Path) -> None:
    nlp.get_pipe("llama_ner").add_label("THING")
    corpus = [*CORPUS[:2], ("the printer is out of paper again", [("printer", "THING")])]
    examples = [Example(nlp.make_doc(text), annotated(nlp.make_doc(text), pieces)) for text, pieces in corpus]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    assert [ents(nlp(text)) for text, _ in corpus] == [pieces for _, pieces in corpus]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert [ents(again(text)) for text, _ in corpus] == [pieces for _, pieces in corpus]


def test_two_components_have_their_own_labels(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="first", spans_key="first")
    encoder = {"base": str(tiny_llama), "dtype": "float32", "window": 64, "stride": 48}
    nlp.add_pipe("llama_ner", name="second", config={"model": {"tok2vec": encoder}, "spans_key": "second"})
    nlp.get_pipe("second").add_label("TIME")
    train(nlp, make_examples(nlp), steps=1)
    assert nlp.get_pipe("first").labels == ("DATE", "NAME")
    assert nlp.get_pipe("second").labels == ("TIME", "DATE", "NAME")
    assert set(nlp(CORPUS[0][0]).spans) == {"first", "second"}


def test_predict_leaves_docs_as_they_are(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    docs = [trained.make_doc(text) for text, _ in CORPUS]
    before = [doc.to_bytes() for doc in docs]
    predictions = ner.predict(docs)
    assert [doc.to_bytes() for doc in docs] == before
    assert [[doc[e.start : e.end].text for e in found] for doc, found in zip(docs, predictions, strict=True)] == [
        [piece for piece, _ in pieces] for _, pieces in CORPUS
    ]


def test_predict_finds_nothing_in_empty_docs(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    assert ner.predict([]) == []
    assert ner.predict([trained.make_doc(""), trained.make_doc("")]) == [[], []]
    text = CORPUS[0][0]
    among = ner.predict([trained.make_doc(""), trained.make_doc(text), trained.make_doc("")])
    assert among[0] == among[2] == []
    assert [entity[:3] for entity in among[1]] == [e[:3] for e in ner.predict([trained.make_doc(text)])[0]]


def test_scores_are_seqevals_and_spacys(trained: Language) -> None:
    examples = make_examples(trained)
    # one gold entity that it does not find, so that no score is 1 by chance
    examples.append(make_example(trained, "please water the plants", [("the plants", "NAME")]))
    scores = trained.evaluate(examples)
    assert 0 < scores["ents_f"] < 1
    predicted = [Example(trained(eg.reference.text), eg.reference) for eg in examples]
    assert scores["ents_f"] == pytest.approx(seqeval_score(predicted)["ents_f"])
    assert scores["ents_f"] == pytest.approx(get_ner_prf(predicted)["ents_f"])
    assert scores["ents_f"] == pytest.approx(Scorer().score_spans(predicted, "ents")["ents_f"])
    assert trained.get_pipe("llama_ner").score(predicted)["ents_f"] == scores["ents_f"]
    assert set(scores["ents_per_type"]) == {"DATE", "NAME"}
    assert 0.9 < scores["ents_token_acc"] < 1


def test_a_component_without_a_scorer_has_no_scores(blank: Language, trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    bare = type(ner)(blank.vocab, ner.model, scorer=None)
    assert bare.score([]) == {}


def test_score_callbacks_are_given_the_examples_of_an_evaluation(nlp: Language) -> None:
    scored: list[list[Example]] = []
    nlp.get_pipe("llama_ner").score_callbacks.append(scored.append)
    nlp.evaluate(make_examples(nlp))
    assert [[ents(eg.predicted) for eg in examples] for examples in scored] == [[pieces for _, pieces in CORPUS]]


def test_find_components_returns_the_active_ones_in_order(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="second")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("llama_ner", name="first", first=True)
    nlp.add_pipe("llama_ner", name="off")
    nlp.disable_pipe("off")
    assert list(find_components(nlp)) == ["first", "second"]
    assert find_components(nlp)["second"] is nlp.get_pipe("second")


def test_only_component_wants_exactly_one(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama)
    assert only_component(nlp, wanted_by="A test") is nlp.get_pipe("llama_ner")
    nlp.add_pipe("llama_ner", name="second")
    with pytest.raises(ValueError, match=r"A test works with one llama_ner component, but .* has 2\."):
        only_component(nlp, wanted_by="A test")
    with nlp.select_pipes(enable=[]), pytest.raises(ValueError, match=r"has 0\."):
        only_component(nlp, wanted_by="A test")
