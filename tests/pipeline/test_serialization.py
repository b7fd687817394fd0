"""Pipelines in bytes, folders, copies and pickles; folders that are damaged or put together from two are refused."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, rmtree

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc

from spacy_llama_ner.head.architectures import TaggerHead
from tests.pipeline.samples import CORPUS, ents, make_examples, make_nlp, scores, train

TEXTS = [
    *(text for text, _ in CORPUS),
    "",
    "Omar\n\nBrook  \u200b🙂",
    "Did Friday call Mia Brook? " * 30,
]
Predictions = list[list[tuple[int, int, str, float]]]


def predict(nlp: Language, texts: list[str] = TEXTS) -> Predictions:
    return [
        [(e.start, e.end, e.label_, score) for e, score in zip(doc.ents, scores(doc), strict=True)]
        for doc in nlp.pipe(texts)
    ]


def test_bytes_of_a_pipeline(trained: Language, tiny_llama: Path) -> None:
    again = make_nlp(tiny_llama).from_bytes(trained.to_bytes())
    assert predict(again) == predict(trained)
    assert again.get_pipe("llama_ner").labels == trained.get_pipe("llama_ner").labels


def test_bytes_of_a_component(trained: Language, blank: Language, tmp_path: Path) -> None:
    ner, fresh = trained.get_pipe("llama_ner"), blank.get_pipe("llama_ner")
    fresh.from_bytes(ner.to_bytes())
    assert predict(blank) == predict(trained)
    assert fresh.to_bytes(exclude=["vocab"]) == ner.to_bytes(exclude=["vocab"])


def test_a_folder_of_a_pipeline(trained: Language, tmp_path: Path) -> None:
    trained.to_disk(tmp_path / "a")
    again = spacy.load(tmp_path / "a")
    assert predict(again) == predict(trained)
    again.to_disk(tmp_path / "b")
    model = Path("llama_ner") / "model"
    assert (tmp_path / "a" / model).read_bytes() == (tmp_path / "b" / model).read_bytes()


def set_temperature(nlp: Language, value: float) -> None:
    nlp.get_pipe("llama_ner").model.get_ref("head").shims[0].module.temperature = value


def test_the_temperature_is_saved_and_copied(nlp: Language, tiny_llama: Path, tmp_path: Path) -> None:
    raw = predict(nlp)
    set_temperature(nlp, 2.0)
    calibrated = predict(nlp)
    assert calibrated != raw
    assert [[ent[:3] for ent in doc] for doc in calibrated] == [[ent[:3] for ent in doc] for doc in raw]
    nlp.to_disk(tmp_path)
    assert predict(spacy.load(tmp_path)) == calibrated
    assert predict(make_nlp(tiny_llama).from_bytes(nlp.to_bytes())) == calibrated
    assert predict(copy.deepcopy(nlp)) == calibrated
    docs = [nlp.make_doc(text) for text in TEXTS]
    ner = nlp.get_pipe("llama_ner")
    assert pickle.loads(pickle.dumps(ner)).predict(docs) == ner.predict(docs)


def test_pipelines_saved_without_a_temperature_load(
    trained: Language, nlp: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TaggerHead, "spec", lambda self: {"width": self.width, "labels": self.labels})
        trained.to_disk(tmp_path)
    assert b"temperature" not in (tmp_path / "llama_ner" / "model").read_bytes()
    assert predict(spacy.load(tmp_path)) == predict(trained)
    set_temperature(nlp, 2.0)
    assert predict(nlp.from_disk(tmp_path)) == predict(trained)


def test_the_temperature_stays_through_training_and_new_labels(nlp: Language) -> None:
    set_temperature(nlp, 2.0)
    head = nlp.get_pipe("llama_ner").model.get_ref("head")
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    nlp.get_pipe("llama_ner").add_label("PLACE")
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    assert head.shims[0].module.temperature == 2.0
    nlp.initialize(lambda: make_examples(nlp))
    assert head.shims[0].module.temperature == 1.0


def test_an_untrained_pipeline(blank: Language, tmp_path: Path) -> None:
    blank.get_pipe("llama_ner").add_label("NAME")
    blank.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    ner = again.get_pipe("llama_ner")
    assert ner.labels == ("NAME",) and not ner.is_initialized
    train(again, make_examples(again), steps=1)
    assert ner.labels == ("NAME", "DATE")


def test_a_loaded_pipeline_can_be_trained_further(trained_folder: Path, nlp: Language) -> None:
    optimizer = nlp.resume_training()
    first = nlp.update(make_examples(nlp), sgd=optimizer)["llama_ner"]
    assert first < 0.5
    assert [ents(nlp(text)) for text, _ in CORPUS] == [pieces for _, pieces in CORPUS]


def test_the_base_is_saved_only_with_save_base(trained: Language, tiny_llama: Path, tmp_path: Path) -> None:
    weights = (tiny_llama / "model.safetensors").read_bytes()
    assert weights not in trained.get_pipe("llama_ner").to_bytes()
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    whole = make_nlp(base, tok2vec={"save_base": True})
    train(whole, make_examples(whole), steps=1)
    assert weights in whole.get_pipe("llama_ner").to_bytes()
    expected = predict(whole)
    whole.to_disk(tmp_path / "pipeline")
    base.rename(tmp_path / "elsewhere")
    assert predict(spacy.load(tmp_path / "pipeline")) == expected


def test_a_deep_copy_has_its_own_weights(trained: Language) -> None:
    clone = copy.deepcopy(trained)
    before = predict(trained)
    assert predict(clone) == before
    optimizer = clone.resume_training()
    optimizer.learn_rate = 0.1
    for _ in range(3):
        clone.update(make_examples(clone), sgd=optimizer)
    assert predict(clone) != before
    assert predict(trained) == before


def test_a_deep_copy_of_an_untrained_pipeline_can_be_trained(blank: Language) -> None:
    clone = copy.deepcopy(blank)
    train(clone, make_examples(clone), steps=1)
    assert not blank.get_pipe("llama_ner").is_initialized
    assert blank.get_pipe("llama_ner").labels == ()


def test_a_component_can_be_pickled(trained: Language) -> None:
    ner = trained.get_pipe("llama_ner")
    clone = pickle.loads(pickle.dumps(ner))
    docs = [trained.make_doc(text) for text in TEXTS]
    assert clone.predict(docs) == ner.predict(docs)
    assert (clone.labels, clone.name, clone.spans_key) == (ner.labels, ner.name, ner.spans_key)


def test_annotated_docs_can_be_pickled(trained: Language) -> None:
    doc = pickle.loads(pickle.dumps(trained(CORPUS[0][0])))
    assert isinstance(doc, Doc) and ents(doc) == CORPUS[0][1]


CHILD = """
import json, socket, sys

class NoSocket(socket.socket):
    def __init__(self, *args, **kwargs):
        raise OSError("the network is off")

socket.socket = NoSocket
import spacy
nlp = spacy.load(sys.argv[1])
docs = list(nlp.pipe(json.loads(sys.stdin.read())))
print(json.dumps([[(e.start, e.end, e.label_, float(s)) for e, s in
      zip(d.ents, d.spans["llama_ner"].attrs["scores"])] for d in docs]))
"""


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_copied_folder_loads_elsewhere_without_a_network(
    trained: Language, trained_folder: Path, tmp_path: Path, offline: str
) -> None:
    copied = copytree(trained_folder, tmp_path / "copied")
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, os.path.relpath(copied, tmp_path / "elsewhere")],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "HF_HUB_OFFLINE": offline, "SPACY_LLAMA_NER_CACHE": str(tmp_path / "cache")},
        input=json.dumps(TEXTS),
        capture_output=True,
        encoding="utf8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [[tuple(entity) for entity in doc] for doc in json.loads(done.stdout)]
    assert found == predict(trained)
    assert sum(map(len, found)) > 5


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    """A trained pipeline on disk, to be damaged."""
    return Path(copytree(trained_folder, tmp_path / "pipeline"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model_is_refused(folder: Path, share: float) -> None:
    path = folder / "llama_ner" / "model"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from .*llama_ner.*copy the whole folder again"
    ):
        spacy.load(folder)


def test_a_missing_model_is_refused(folder: Path) -> None:
    (folder / "llama_ner" / "model").unlink()
    with pytest.raises(OSError, match=r"\[llama_ner\] cannot be loaded from .*model.* copy the whole folder again"):
        spacy.load(folder)


def test_missing_labels_are_refused(folder: Path) -> None:
    (folder / "llama_ner" / "cfg").unlink()
    with pytest.raises(ValueError, match=r"\[llama_ner\] .* names the labels \[\].* copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"labels": 3}', b"\xff\xfe"])
def test_a_damaged_label_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "cfg").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"\x00" * 500, b"hello world", b"\x80"])
def test_a_damaged_model_is_refused(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "model").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("labels", [["NAME", "DATE"], ["DATE"], ["DATE", "NAME", "TIME"], []])
def test_labels_of_another_pipeline_are_refused(folder: Path, labels: list[str]) -> None:
    srsly.write_json(folder / "llama_ner" / "cfg", {"labels": labels})
    message = (
        rf"cfg names the labels {re.escape(str(labels))}, but .* \['DATE', 'NAME'\].*copy the whole folder again"
    )
    with pytest.raises(ValueError, match=message):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("given", "changed"),
    [("rank = 4", "rank = 8"), ("spacy_llama_ner.LinearHead.v1", "spacy_llama_ner.BiLSTMHead.v1")],
)
def test_a_config_of_another_shape_is_refused(folder: Path, given: str, changed: str) -> None:
    path = folder / "config.cfg"
    text = path.read_text(encoding="utf8")
    assert given in text
    path.write_text(text.replace(given, changed), encoding="utf8")
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] .*do not fit .*Load the pipeline with the config.cfg it was"
    ):
        spacy.load(folder)


def trained_on(base: Path, folder: Path) -> Path:
    nlp = make_nlp(base)
    train(nlp, make_examples(nlp), steps=1)
    nlp.to_disk(folder)
    return folder


def test_a_missing_base_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    rmtree(base)
    with pytest.raises(OSError, match=r"\[llama_ner\] .*not on this machine.*name it when loading"):
        spacy.load(folder)
    overrides = {"components": {"llama_ner": {"model": {"tok2vec": {"base": str(tiny_llama)}}}}}
    assert spacy.load(folder, config=overrides).get_pipe("llama_ner").is_initialized


def test_a_base_with_other_content_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    config = json.loads((base / "config.json").read_text(encoding="utf8"))
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*is not the one this pipeline was trained on.*Restore"):
        spacy.load(folder)


def test_truncated_bytes_are_refused(trained: Language, blank: Language) -> None:
    data = trained.get_pipe("llama_ner").to_bytes()
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from the bytes given.*copy the whole folder again"
    ):
        blank.get_pipe("llama_ner").from_bytes(data[: len(data) // 2])
