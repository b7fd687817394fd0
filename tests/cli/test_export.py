"""`llama-ner export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

TEXTS = ["Ida Holm calls at noon.", "Nobody calls.", "Ida Holm calls at noon."]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf8")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, args)], env={"COLUMNS": "200"})


def fails(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def test_texts_go_out_with_suggestions(model: Path, texts: Path, tmp_path: Path) -> None:
    result = run(model, texts, tmp_path / "tasks", "--format", "prodigy", "--labels", "NAME, PLACE")
    assert result.exit_code == 0
    assert "tasks.jsonl: 2 texts" in " ".join(result.output.split())
    lines = (tmp_path / "tasks" / "tasks.jsonl").read_text(encoding="utf8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == TEXTS[:2]
    assert [(span["text"], span["label"]) for span in rows[0]["spans"]] == [("Ida Holm", "NAME")]


def test_labels_that_docs_have_already_are_no_suggestions(model: Path, tmp_path: Path) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["Some", "where"], ents=["B-PLACE", "I-PLACE"])
    DocBin(docs=[doc]).to_disk(tmp_path / "texts.spacy")
    assert run(model, tmp_path / "texts.spacy", tmp_path / "tasks", "--format", "doccano").exit_code == 0
    assert json.loads((tmp_path / "tasks" / "tasks.jsonl").read_text(encoding="utf8"))["label"] == []


@pytest.mark.parametrize("format", ["label-studio", "prodigy", "doccano"])
def test_each_tool_gets_its_file_and_is_told_what_to_do_with_it(
    format: str, model: Path, texts: Path, tmp_path: Path
) -> None:
    result = run(model, texts, tmp_path / "tasks", "--format", format)
    assert result.exit_code == 0
    about = json.loads((tmp_path / "tasks" / "export.json").read_text(encoding="utf8"))
    assert "NAME" in about["labels"]
    assert "xport" in result.output


def test_a_folder_that_experts_work_on_is_left_alone(model: Path, texts: Path, tmp_path: Path) -> None:
    assert run(model, texts, tmp_path / "tasks", "--format", "doccano").exit_code == 0
    assert "is not empty" in fails(model, texts, tmp_path / "tasks", "--format", "doccano")


def test_what_cannot_be_exported(model: Path, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "tasks"
    assert "cannot be loaded" in fails(tmp_path / "none", texts, output, "--format", "doccano")
    assert "There is no file" in fails(model, tmp_path / "none.txt", output, "--format", "doccano")
    assert "no label to choose from" in fails(model, texts, output, "--format", "doccano", "--labels", " , ")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf8")
    assert "nothing to write" in fails(model, tmp_path / "empty.txt", output, "--format", "doccano")
    assert not output.exists() or not any(output.iterdir())
