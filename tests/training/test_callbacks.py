"""New labels for a trained component, with rehearsal of old texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_llama_ner.training.callbacks import make_add_labels, make_rehearsal
from tests.pipeline.samples import CORPUS, f1, find_places, make_place_examples, make_unannotated_examples

CONTINUAL = """
[nlp]
lang = "en"
pipeline = ["llama_ner"]

[components]

[components.llama_ner]
source = "{source}"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "{corpus}"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "{corpus}"

[initialize]

[initialize.before_init]
@callbacks = "spacy_llama_ner.add_labels.v1"
labels = ["PLACE"]

[training]
max_steps = 40
eval_frequency = 40

[training.before_update]
@callbacks = "spacy_llama_ner.rehearse.v1"
words = 20

[training.before_update.texts]
@readers = "spacy.JsonlCorpus.v1"
path = "{texts}"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""


@pytest.fixture
def config(trained_folder: Path, trained: Language, tmp_path: Path) -> Path:
    corpus, texts = tmp_path / "new.spacy", tmp_path / "old.jsonl"
    DocBin(docs=[eg.reference for eg in make_place_examples(trained)]).to_disk(corpus)
    srsly.write_jsonl(texts, [{"text": text} for text, _ in CORPUS])
    sparse, filled = tmp_path / "sparse.cfg", tmp_path / "config.cfg"
    sparse.write_text(CONTINUAL.format(source=trained_folder, corpus=corpus, texts=texts), encoding="utf8")
    fill_config(filled, sparse)
    return filled


def test_a_config_adds_labels_and_keeps_the_old_ones(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "out")
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert nlp.get_pipe("llama_ner").labels == ("DATE", "NAME", "PLACE")
    assert find_places(nlp) == ["Oslo", "Turin", "Lima"]
    assert f1(nlp) > 0.8


def rehearsed_texts(nlp: Language, words: int, monkeypatch: pytest.MonkeyPatch, steps: int) -> list[list[str]]:
    """The texts of each step."""
    ner, seen = nlp.get_pipe("llama_ner"), []

    def rehearse(examples: list[Example]) -> dict[str, Any]:
        seen.append([eg.predicted.text for eg in examples])
        return {}

    monkeypatch.setattr(ner, "rehearse", rehearse)
    callback = make_rehearsal(make_unannotated_examples, words)
    for step in range(steps):
        callback(nlp, {"step": step, "epoch": 0})
    return seen


def test_texts_come_again_and_again_in_batches_of_so_many_words(
    nlp: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp.resume_training()
    one, two, three, four, five = (text for text, _ in CORPUS)
    seen = rehearsed_texts(nlp, 12, monkeypatch, steps=4)
    assert seen == [[one, two], [three, four], [five, one], [two, three]]
    assert rehearsed_texts(nlp, 1, monkeypatch, steps=6) == [[one], [two], [three], [four], [five], [one]]


def test_no_trained_component_is_an_error(nlp: Language) -> None:
    with pytest.raises(ValueError, match=r"finds no `llama_ner` that was trained before\. Source one in the config"):
        make_rehearsal(make_unannotated_examples)(nlp, {})


@pytest.mark.parametrize("texts", [[], [""]])
def test_a_corpus_without_text_is_an_error(nlp: Language, texts: list[str]) -> None:
    nlp.resume_training()
    callback = make_rehearsal(lambda nlp: [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts])
    with pytest.raises(ValueError, match="finds no text in its corpus"):
        callback(nlp, {})


def test_batches_without_words_are_an_error() -> None:
    with pytest.raises(ValueError, match="words = 0; expected 1 or more"):
        make_rehearsal(make_unannotated_examples, 0)


def test_labels_are_added_to_the_named_component(nlp: Language) -> None:
    assert make_add_labels(["PLACE", "DATE"])(nlp) is nlp
    assert nlp.get_pipe("llama_ner").labels == ("DATE", "NAME", "PLACE")
    with pytest.raises(KeyError, match="ner"):
        make_add_labels(["PLACE"], "ner")(nlp)
