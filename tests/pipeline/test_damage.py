"""A folder that is damaged, or put together from two, says so and says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shutil import copytree, rmtree

import pytest
import spacy
import srsly
from spacy.language import Language

from .samples import make_examples, make_nlp, train


@pytest.fixture
def folder(trained_folder: Path, tmp_path: Path) -> Path:
    """A trained pipeline on disk, to be damaged."""
    return Path(copytree(trained_folder, tmp_path / "pipeline"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model(folder: Path, share: float) -> None:
    path = folder / "llama_ner" / "model"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from .*llama_ner.*copy the whole folder again"
    ):
        spacy.load(folder)


def test_a_file_that_is_gone(folder: Path) -> None:
    (folder / "llama_ner" / "model").unlink()
    with pytest.raises(OSError, match=r"\[llama_ner\] cannot be loaded from .*model.* copy the whole folder again"):
        spacy.load(folder)


def test_labels_that_are_gone(folder: Path) -> None:
    (folder / "llama_ner" / "cfg").unlink()
    with pytest.raises(ValueError, match=r"\[llama_ner\] .* names the labels \[\].* copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"labels": 3}', b"\xff\xfe"])
def test_a_label_file_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "cfg").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("content", [b"\x00" * 500, b"hello world", b"\x80"])
def test_a_model_file_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "llama_ner" / "model").write_bytes(content)
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*copy the whole folder again"):
        spacy.load(folder)


@pytest.mark.parametrize("labels", [["NAME", "DATE"], ["DATE"], ["DATE", "NAME", "TIME"], []])
def test_labels_of_another_pipeline(folder: Path, labels: list[str]) -> None:
    srsly.write_json(folder / "llama_ner" / "cfg", {"labels": labels})
    told = rf"cfg names the labels {re.escape(str(labels))}, but .* \['DATE', 'NAME'\].*copy the whole folder again"
    with pytest.raises(ValueError, match=told):
        spacy.load(folder)


@pytest.mark.parametrize(
    ("given", "changed"),
    [("rank = 4", "rank = 8"), ("spacy_llama_ner.LinearHead.v1", "spacy_llama_ner.BiLSTMHead.v1")],
)
def test_a_config_of_another_shape(folder: Path, given: str, changed: str) -> None:
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


def test_a_base_that_is_gone(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    rmtree(base)
    with pytest.raises(OSError, match=r"\[llama_ner\] .*not on this machine.*say so when loading"):
        spacy.load(folder)
    overrides = {"components": {"llama_ner": {"model": {"tok2vec": {"base": str(tiny_llama)}}}}}
    assert spacy.load(folder, config=overrides).get_pipe("llama_ner").is_initialized


def test_a_base_of_other_content(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(copytree(tiny_llama, tmp_path / "base"))
    folder = trained_on(base, tmp_path / "pipeline")
    config = json.loads((base / "config.json").read_text(encoding="utf8"))
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[llama_ner\] .*is not the one this pipeline was trained on.*Restore"):
        spacy.load(folder)


def test_bytes_that_were_cut(trained: Language, blank: Language) -> None:
    data = trained.get_pipe("llama_ner").to_bytes()
    with pytest.raises(
        ValueError, match=r"\[llama_ner\] cannot be loaded from the bytes given.*copy the whole folder again"
    ):
        blank.get_pipe("llama_ner").from_bytes(data[: len(data) // 2])
