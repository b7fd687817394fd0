"""`llama-ner show`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from ..evaluate.sample import GOLD, write_corpus


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, args)])


def test_writes_one_page_with_every_doc(model: Path, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "page.html"
    result = run(model, corpus, output)
    assert result.exit_code == 0, result.output
    assert [path.name for path in output.parent.iterdir()] == ["page.html"]
    page = output.read_text(encoding="utf8")
    assert page.count("<article") == len(GOLD)
    assert f"{model} on {corpus}" in page
    assert "<dd>66.67</dd>" in page


def test_limit(model: Path, corpus: Path, tmp_path: Path) -> None:
    result = run(model, corpus, tmp_path / "page.html", "--limit", 3)
    page = (tmp_path / "page.html").read_text(encoding="utf8")
    assert re.findall(r"<h3>Doc (\d)</h3>", page) == ["2", "3", "1"]
    assert "3 of 4 docs" in " ".join(result.output.split())


def test_limit_of_none_is_refused(model: Path, corpus: Path, tmp_path: Path) -> None:
    assert run(model, corpus, tmp_path / "page.html", "--limit", 0).exit_code == 2
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("problem", ["model", "corpus", "entities", "component", "group", "output"])
def test_what_cannot_be_shown_is_said(problem: str, model: Path, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    if problem == "model":
        model, said = tmp_path / "nowhere", "cannot be loaded"
    elif problem == "corpus":
        corpus, said = tmp_path / "nowhere.spacy", "does not exist"
    elif problem == "entities":
        corpus, said = write_corpus(tmp_path / "bare.spacy", [("Is it late?", [])]), "no gold entity"
    elif problem == "component":
        spacy.blank("en").to_disk(model)
        said = "no component that sets entities"
    elif problem == "group":
        nlp = spacy.blank("en")
        nlp.add_pipe("llama_ner", config={"overwrite": None})
        nlp.to_disk(model)
        said = "leaves `doc.ents` alone"
    else:
        output, said = tmp_path, "Cannot show"
    result = run(model, corpus, output)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "page.html").exists()
