"""`llama_ner` behaves as the components of spaCy do: streams, sources, listeners, other components, evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.pipeline.trainable_pipe import TrainablePipe
from spacy.tokens import Doc

from tests.pipeline.samples import CORPUS, ents, learn_by_heart, make_examples, make_nlp, scores, train

TEXTS = [*(text for text, _ in CORPUS), ""] * 5
ENCODER = {"@architectures": "spacy_llama_ner.LlamaEncoder.v1", "dtype": "float32", "window": 64, "stride": 48}


def found(docs: list[Doc]) -> list[list[tuple[str, str]]]:
    return [ents(doc) for doc in docs]


def test_is_a_trainable_pipe(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    assert isinstance(ner, TrainablePipe)
    assert ner.is_trainable
    assert trained.pipe_names == ["llama_ner"]


@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_a_stream_gives_what_single_calls_give_in_order(trained: Language, batch_size: int) -> None:
    docs = list(trained.pipe(TEXTS, batch_size=batch_size))
    assert [doc.text for doc in docs] == TEXTS
    for doc, text in zip(docs, TEXTS, strict=True):
        alone = trained(text)
        assert ents(doc) == ents(alone)
        assert scores(doc) == pytest.approx(scores(alone), abs=1e-4)


def test_merging_the_adapter_changes_no_prediction(trained_folder: Path, trained: Language) -> None:
    """The setting is changed as the docs show it."""
    merged = spacy.load(trained_folder, config={"components.llama_ner.model.tok2vec.merge": True})
    for doc, text in zip(merged.pipe(TEXTS), TEXTS, strict=True):
        unmerged = trained(text)
        assert ents(doc) == ents(unmerged)
        assert scores(doc) == pytest.approx(scores(unmerged), abs=1e-4)
    assert merged.config["components"]["llama_ner"]["model"]["tok2vec"]["merge"] is True


def test_a_stream_keeps_the_contexts_of_texts(trained: Language) -> None:
    pairs = [(text, {"number": i}) for i, text in enumerate(TEXTS)]
    given = list(trained.pipe(pairs, as_tuples=True))
    assert [(doc.text, context) for doc, context in given] == pairs


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_two_processes_give_what_one_gives(trained: Language) -> None:
    one = list(trained.pipe(TEXTS))
    two = list(trained.pipe(TEXTS, n_process=2, batch_size=4))
    assert [doc.text for doc in two] == TEXTS
    assert found(two) == found(one)
    for a, b in zip(one, two, strict=True):
        assert scores(b) == pytest.approx(scores(a), abs=1e-4)


def test_an_error_in_a_stream_reaches_the_error_handler(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    ner = nlp.get_pipe("llama_ner")

    def fail(docs: list[Doc]) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(ner, "predict", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(nlp.pipe(TEXTS))
    errors = []
    nlp.set_error_handler(lambda name, proc, docs, error: errors.append((name, len(docs), str(error))))
    assert list(nlp.pipe(TEXTS)) == []
    assert errors == [("llama_ner", len(TEXTS), "out of memory")]


def test_can_be_disabled_and_trained_alone(nlp: Language) -> None:
    with nlp.select_pipes(disable="llama_ner"):
        assert ents(nlp(CORPUS[0][0])) == []
    nlp.add_pipe("sentencizer")
    with nlp.select_pipes(enable="llama_ner"):
        assert nlp.pipe_names == ["llama_ner"]
        assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]
        nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    assert nlp.pipe_names == ["llama_ner", "sentencizer"]


def test_can_be_excluded_when_loading(trained_folder: Path) -> None:
    assert spacy.load(trained_folder, exclude=["llama_ner"]).pipe_names == []
    nlp = spacy.load(trained_folder, disable=["llama_ner"])
    nlp.enable_pipe("llama_ner")
    assert ents(nlp(CORPUS[0][0])) == CORPUS[0][1]


def test_can_be_sourced_under_another_name(trained: Language, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner", name="people", source=trained)
    expected = found(list(trained.pipe(TEXTS)))
    assert found(list(nlp.pipe(TEXTS))) == expected
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert again.pipe_names == ["people"]
    assert found(list(again.pipe(TEXTS))) == expected


def test_can_be_sourced_in_a_config(trained_folder: Path, trained: Language) -> None:
    config = {
        "nlp": {"lang": "en", "pipeline": ["llama_ner"]},
        "components": {"llama_ner": {"source": str(trained_folder)}},
    }
    nlp = spacy.blank("en").from_config(config)
    assert found(list(nlp.pipe(TEXTS))) == found(list(trained.pipe(TEXTS)))


def make_listening(base: Path) -> Language:
    """A `tok2vec` component that holds the Llama, and an NER that listens to it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {**ENCODER, "base": str(base)}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": listener}})
    learn_by_heart(nlp, make_examples(nlp))
    return nlp


def test_listens_to_a_shared_llama_until_the_listener_is_replaced(tiny_llama: Path, tmp_path: Path) -> None:
    nlp = make_listening(tiny_llama)
    expected = found(list(nlp.pipe(TEXTS)))
    assert expected[:5] == [pieces for _, pieces in CORPUS]
    nlp.to_disk(tmp_path / "shared")
    shared = spacy.load(tmp_path / "shared")
    assert found(list(shared.pipe(TEXTS))) == expected

    shared.replace_listeners("tok2vec", "llama_ner", ["model.tok2vec"])
    assert shared.config["components"]["llama_ner"]["model"]["tok2vec"]["@architectures"] == ENCODER["@architectures"]
    shared.remove_pipe("tok2vec")
    assert found(list(shared.pipe(TEXTS))) == expected
    shared.to_disk(tmp_path / "alone")
    alone = spacy.load(tmp_path / "alone")
    assert alone.pipe_names == ["llama_ner"]
    assert found(list(alone.pipe(TEXTS))) == expected


def test_a_shared_llama_is_not_rehearsed_until_the_listener_is_replaced(tiny_llama: Path) -> None:
    nlp = make_listening(tiny_llama)
    nlp.resume_training()
    with pytest.raises(ValueError, match=r"shares its encoder.* `nlp.replace_listeners`"):
        nlp.rehearse(make_examples(nlp))
    nlp.replace_listeners("tok2vec", "llama_ner", ["model.tok2vec"])
    nlp.resume_training()
    assert nlp.rehearse(make_examples(nlp))["llama_ner"] == pytest.approx(0, abs=1e-4)


def test_a_sourced_listener_can_be_replaced(tiny_llama: Path, tmp_path: Path) -> None:
    nlp = make_listening(tiny_llama)
    expected = found(list(nlp.pipe(TEXTS)))
    nlp.to_disk(tmp_path / "shared")
    config = {
        "nlp": {"lang": "en", "pipeline": ["llama_ner"]},
        "components": {"llama_ner": {"source": str(tmp_path / "shared"), "replace_listeners": ["model.tok2vec"]}},
    }
    assert found(list(spacy.blank("en").from_config(config).pipe(TEXTS))) == expected


def test_shares_a_pipeline_with_others(tiny_llama: Path) -> None:
    nlp = make_nlp(tiny_llama)
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("textcat")
    examples = make_examples(nlp)
    for i, eg in enumerate(examples):
        eg.reference.cats = {"long": float(i % 2), "short": 1 - float(i % 2)}
    losses = train(nlp, examples, steps=2)
    assert set(losses[0]) == {"llama_ner", "textcat"}
    assert set(nlp(CORPUS[0][0]).cats) == {"long", "short"}


def test_evaluates(trained: Language) -> None:
    result = trained.evaluate(make_examples(trained))
    assert result["ents_f"] == result["ents_p"] == result["ents_r"] == result["ents_token_acc"] == 1.0
    assert result["speed"] > 0


def test_with_overwrite_null_its_span_group_is_scored(nlp: Language) -> None:
    nlp.get_pipe("llama_ner").overwrite = None
    result = nlp.evaluate(make_examples(nlp))
    assert not nlp(CORPUS[0][0]).ents
    assert result["ents_f"] == result["ents_token_acc"] == 1.0
