"""`llama-ner difference`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app
from spacy_llama_ner.cli.difference import tell_apart

from ..evaluate.reader import read
from ..evaluate.sample import GOLD, make_ruler, write_corpus


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["difference", *map(str, args)], env={"COLUMNS": "200"})


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A pipeline that knows the e-mail address too."""
    nlp = make_ruler()
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "EMAIL", "pattern": "ida@holm.example"}])
    nlp.to_disk(tmp_path / "other")
    return tmp_path / "other"


def test_two_pipelines_on_each_data_set(model: Path, other: Path, corpus: Path, tmp_path: Path) -> None:
    half = write_corpus(tmp_path / "half.spacy", GOLD[:1])
    page, output = tmp_path / "pages" / "page.html", tmp_path / "metrics" / "scores.json"
    result = run(model, other, page, "--data", corpus, "--data", half, "--output", output)
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text(encoding="utf8"))
    assert (found["first"], found["second"]) == (str(model), str(other))
    rows = found["data"][str(corpus)]
    by_label = rows["per_type"]
    assert list(by_label) == ["DATE", "EMAIL", "NAME", "TIME"]
    assert by_label["EMAIL"]["second"]["f"] == 1 and by_label["EMAIL"]["gold"] == 1
    for side, place in (("first", model), ("second", other)):
        nlp = spacy.load(place)
        scores = nlp.evaluate(list(spacy.training.Corpus(corpus)(nlp)))
        assert rows["all"][side]["f"] == pytest.approx(scores["ents_f"])
    assert rows["all"]["difference"] == pytest.approx(rows["all"]["first"]["f"] - rows["all"]["second"]["f"])
    assert found["data"][str(half)]["all"]["difference"] == 0
    assert read(page.read_text(encoding="utf8")).sections == ["data-1", "data-2"]
    lines = [line.split() for line in result.output.splitlines()]
    assert ["F1", "model", "other", "difference", "95%", "interval", "entities"] in lines
    assert any(line[:4] == ["all", "66.67", "80.00", "-13.33"] for line in lines)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("training/silver/model-best", "training/gold/model-best", ("silver", "gold")),
        ("a/x/1", "b/x/2", ("a/1", "b/2")),
        ("en_news", "training/gold", ("en_news", "training/gold")),
        ("same", "same", ("same", "same")),
    ],
)
def test_pipelines_are_called_by_what_tells_their_paths_apart(
    first: str, second: str, names: tuple[str, str]
) -> None:
    assert tell_apart(first, second) == names


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere", "model", "page.html", "-d", "gold.spacy"], "cannot be loaded"),
        (["model", "nowhere", "page.html", "-d", "gold.spacy"], "cannot be loaded"),
        (["model", "model", "page.html", "-d", "nowhere.spacy"], "does not exist"),
        (["model", "model", "page.html"], "Missing option '--data'"),
        (["model", "model", "taken", "-d", "gold.spacy"], "taken is a folder"),
        (["model", "model", "-d", "gold.spacy", "dev.spacy"], "dev.spacy does not end in .html"),
        (["model", "model", "page.html", "-d", "gold.spacy", "-o", "gold.spacy"], "does not end in .json"),
    ],
)
def test_what_cannot_be_compared_is_said(
    args: list[str], said: str, model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "page.html").exists()
