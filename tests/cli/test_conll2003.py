"""`spacy llama-ner conll2003` writes the three splits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app
from spacy_llama_ner.cli import conll2003
from spacy_llama_ner.data.conll import Document, Sentence
from spacy_llama_ner.data.report import Report

START = "-DOCSTART- -X- -X- O\n\n"
TEXT = f"{START}Ada NNP I-NP I-PER\n\nsails VBZ I-VP O\n\n{START}Kiel NNP I-NP I-LOC\n"


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["conll2003", *map(str, args)])


def printed(result: Result) -> str:
    """The output without the line breaks that depend on the length of paths."""
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("sents", "docs"), [(1, 3), (2, 2), (0, 2)])
def test_three_splits_from_a_folder(folder: Path, tmp_path: Path, sents: int, docs: int) -> None:
    result = run(tmp_path / "out", "--folder", folder, "--sents", sents)
    assert result.exit_code == 0, result.output
    assert printed(result).count(f"{docs} docs, 3 sentences, 3 tokens, 2 entities") == 3
    for name in ("train", "dev", "test"):
        found = DocBin().from_disk(tmp_path / "out" / f"{name}.spacy").get_docs(spacy.blank("en").vocab)
        ents = [(ent.text, ent.label_) for doc in found for ent in doc.ents]
        assert ents == [("Ada", "PER"), ("Kiel", "LOC")]


def test_a_folder_without_the_files_is_a_clear_failure(tmp_path: Path) -> None:
    result = run(tmp_path / "out", "--folder", tmp_path)
    assert result.exit_code == 1
    assert "has no train.txt, valid.txt, test.txt" in printed(result)


def test_lost_document_boundaries_allow_single_sentences_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_boundaries() -> Iterator[tuple[str, list[Document], Report]]:
        yield "train", [[Sentence(["Ada"], ["B-PER"]), Sentence(["Kiel"], ["B-LOC"])]], Report("hub/train")

    monkeypatch.setattr(conll2003, "read_hub", without_boundaries)
    result = run(tmp_path / "docs", "--sents", 0)
    assert result.exit_code == 1
    assert "has no -DOCSTART- boundaries" in printed(result)
    assert not (tmp_path / "docs").exists()
    assert "2 docs, 2 sentences" in printed(run(tmp_path / "sentences"))
