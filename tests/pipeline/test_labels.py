"""Where a component's labels come from, and what a new one changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.training import Example

from .samples import CORPUS, LABELS, annotated, ents, make_examples, make_nlp, train


def test_are_those_of_the_training_data_sorted(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.labels == ()
    assert not ner.is_initialized
    blank.initialize(lambda: make_examples(blank))
    assert ner.is_initialized
    assert ner.labels == ("DATE", "NAME")
    assert ner.label_data == ["DATE", "NAME"]
    assert blank.pipe_labels["llama_ner"] == ["DATE", "NAME"]


def test_may_be_given_instead_of_looked_for(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    ner.initialize(lambda: make_examples(blank), nlp=blank, labels=["TIME", "NAME", "DATE"])
    assert ner.labels == ("TIME", "NAME", "DATE")
    assert ner.model.get_ref("head").get_dim("nO") == 7


def test_may_come_from_a_file(blank: Language, tmp_path: Path) -> None:
    path = tmp_path / "llama_ner.json"
    srsly.write_json(path, ["TIME", "DATE", "NAME"])
    reader = {"@readers": "spacy.read_labels.v1", "path": str(path)}
    blank.config["initialize"]["components"]["llama_ner"] = {"labels": reader}
    blank.initialize(lambda: make_examples(blank))
    assert blank.get_pipe("llama_ner").labels == ("TIME", "DATE", "NAME")


def test_added_before_training_come_first(blank: Language) -> None:
    ner = blank.get_pipe("llama_ner")
    assert ner.add_label("TIME") == 1
    assert ner.add_label("TIME") == 0
    blank.initialize(lambda: make_examples(blank))
    assert ner.labels == ("TIME", "DATE", "NAME")


def test_initializing_again_keeps_them_and_forgets_the_weights(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    text = CORPUS[0][0]
    before = ner.model.predict([nlp.make_doc(text)])[0]
    nlp.initialize(lambda: make_examples(nlp))
    assert ner.labels == tuple(LABELS)
    assert abs(ner.model.predict([nlp.make_doc(text)])[0] - before).max() > 0.1


def test_outlive_a_memory_zone_that_is_the_first_to_use_them(tiny_llama: Path, trained_folder: Path) -> None:
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


def test_added_to_a_trained_component_leaves_what_it_knows(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    docs = [nlp.make_doc(text) for text, _ in CORPUS]
    before = ner.model.predict(docs)
    assert ner.add_label("PLACE") == 1
    after = ner.model.predict(docs)
    for old, new in zip(before, after, strict=True):
        assert abs(new[:, :5] - old).max() < 1e-5
        assert new.shape[1] == 7
    assert ner.labels == ("DATE", "NAME", "PLACE")


def test_added_ones_go_when_what_was_saved_before_is_loaded(nlp: Language, tmp_path: Path) -> None:
    ner = nlp.get_pipe("llama_ner")
    before = nlp.to_bytes()
    nlp.to_disk(tmp_path)
    for load in (lambda: nlp.from_bytes(before), lambda: nlp.from_disk(tmp_path)):
        ner.add_label("THING")
        load()
        assert ner.labels == ("DATE", "NAME")
        assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]
        assert ner.add_label("THING") == 1


def test_the_model_stays_what_it_is_where_it_is_not_loaded(nlp: Language) -> None:
    ner = nlp.get_pipe("llama_ner")
    ner.add_label("THING")
    ner.from_bytes(ner.to_bytes(exclude=["model"]), exclude=["model"])
    assert ner.model.get_ref("head").get_dim("nO") == 7
    assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]


def test_added_to_a_trained_component_can_be_learnt_and_saved(nlp: Language, tmp_path: Path) -> None:
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


def test_two_components_have_their_own(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama, name="first", spans_key="first")
    encoder = {"base": str(tiny_llama), "dtype": "float32", "window": 64, "stride": 48}
    nlp.add_pipe("llama_ner", name="second", config={"model": {"tok2vec": encoder}, "spans_key": "second"})
    nlp.get_pipe("second").add_label("TIME")
    train(nlp, make_examples(nlp), steps=1)
    assert nlp.get_pipe("first").labels == ("DATE", "NAME")
    assert nlp.get_pipe("second").labels == ("TIME", "DATE", "NAME")
    assert set(nlp(CORPUS[0][0]).spans) == {"first", "second"}
