"""`report` and `show`: which pages they write, and what they refuse."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import spacy

from spacy_llama_ner.cli.evaluate import evaluate
from tests.cli.helpers import fails, run, succeeds
from tests.evaluate.sample import GOLD, write_corpus
from tests.report.html_reader import read

SECTIONS = ["scores", "confusion", "kinds", "length", "reliability", "sentences"]


def sections(page: Path) -> list[str]:
    return read(page.read_text(encoding="utf8")).sections


def test_a_report_on_a_pipeline(model: Path, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "page.html"
    succeeds("report", model, corpus, output)
    assert [path.name for path in output.parent.iterdir()] == ["page.html"]
    page = output.read_text(encoding="utf8")
    assert f"{model} on {corpus}" in page
    assert "<dd>66.67</dd>" in page
    assert sections(output) == SECTIONS


def test_training_data_and_curves_add_their_sections(model: Path, corpus: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path / "train.spacy", GOLD[:1])
    (tmp_path / "curve.jsonl").write_text(json.dumps({"step": 1, "dev": {"ents_f": 0.5}}), encoding="utf8")
    output = tmp_path / "page.html"
    options = ["--train", tmp_path / "train.spacy", "--curve", tmp_path / "curve.jsonl", "--limit", 1]
    succeeds("report", model, corpus, output, *options)
    assert {"curves", "seen"} <= set(sections(output))
    page = output.read_text(encoding="utf8")
    # Ida Holm and Friday are in train, and right
    assert "seen 100.00 100.00 100.00 2 2" in read(page).shown
    assert page.count("<article") == 1


def test_a_config_says_what_was_trained_on(model: Path, corpus: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.cfg"
    # of the docs that the page is about, it trains on the first
    config.write_text(
        f"""
        [nlp]
        lang = "en"
        [corpora]
        [corpora.train]
        @readers = "spacy.Corpus.v1"
        path = "{corpus}"
        gold_preproc = false
        max_length = 0
        limit = 1
        augmenter = null
        [training]
        train_corpus = "corpora.train"
        """,
        encoding="utf8",
    )
    succeeds("report", model, corpus, tmp_path / "page.html", "--train", config)
    shown = read((tmp_path / "page.html").read_text(encoding="utf8")).shown
    assert "seen 100.00 100.00 100.00 2 2" in shown


def test_scores_are_those_that_evaluate_writes(model: Path, corpus: Path, tmp_path: Path) -> None:
    scores = tmp_path / "new" / "report.json"
    assert "66.67" in succeeds("report", model, corpus, tmp_path / "page.html", "--scores", scores)
    evaluate(str(model), corpus, output=tmp_path / "evaluate.json")
    reported, evaluated = (json.loads((tmp_path / name).read_text()) for name in ("new/report.json", "evaluate.json"))
    assert reported.pop("speed") > 0 and evaluated.pop("speed") > 0
    assert reported == evaluated


def test_a_report_on_a_corpus(corpus: Path, tmp_path: Path) -> None:
    other = write_corpus(tmp_path / "other.spacy", GOLD[:1])
    succeeds("report", "--data", corpus, "--data", other, tmp_path / "page.html")
    shown = read((tmp_path / "page.html").read_text(encoding="utf8")).shown
    assert "gold 4 - " in shown
    assert "other in gold 100.00" in shown


def test_a_folder_is_read_split_by_split_in_the_usual_order(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("alpha", "dev", "test", "train", ".hidden"):
        write_corpus(folder / f"{name}.spacy")
    succeeds("report", "--data", folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf8")
    rows = re.findall(r'<th scope="row">(\w+)</th>', page[page.index('id="splits"') : page.index('id="entities"')])
    assert rows == ["train", "dev", "test", "alpha"]


def test_splits_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = [tmp_path / name / "train.spacy" for name in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        write_corpus(file)
    succeeds("report", "--data", files[0], "--data", files[1], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf8")
    assert all(f'<th scope="row">{file}</th>' in page for file in files)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["model", "gold.spacy"], "There are 2 arguments"),
        (["a", "b", "c", "d"], "There are 4 arguments"),
        (["--data", "gold.spacy", "model", "gold.spacy", "page.html"], "Give OUTPUT alone"),
        (["--data", "gold.spacy", "--train", "gold.spacy", "page.html"], "Give OUTPUT alone"),
        (["--data", "gold.spacy", "--scores", "scores.json", "page.html"], "Give OUTPUT alone"),
        (["--data", "gold.spacy", "--limit", "3", "page.html"], "Give OUTPUT alone"),
        (["--data", "gold.spacy", "--gpu-id", "0", "page.html"], "Give OUTPUT alone"),
        (["--data", "nowhere.spacy", "page.html"], "nowhere.spacy does not exist"),
        (["--data", "empty", "page.html"], "holds no .spacy file"),
        (["--data", "torn.spacy", "page.html"], "torn.spacy cannot be read"),
        (["nowhere", "gold.spacy", "page.html"], "cannot be loaded"),
        (["model", "nowhere.spacy", "page.html"], "nowhere.spacy does not exist"),
        (["model", "gold.spacy", "page.html", "--train", "nowhere.spacy"], "nowhere.spacy does not exist"),
        (["model", "gold.spacy", "page.html", "--train", "torn.spacy"], "torn.spacy cannot be read"),
        (["model", "gold.spacy", "page.html", "--train", "short.cfg"], "training corpus of short.cfg cannot be read"),
        (
            ["model", "gold.spacy", "page.html", "--train", "broken.cfg"],
            "training corpus of broken.cfg cannot be read",
        ),
        (
            ["model", "gold.spacy", "page.html", "--train", "dangling.cfg"],
            "training corpus of dangling.cfg cannot be",
        ),
        (["model", "gold.spacy", "page.html", "--curve", "nowhere.jsonl"], "nowhere.jsonl"),
        (["model", "gold.spacy", "page.html", "--curve", "bad.jsonl"], "bad.jsonl, line 2: this is not JSON"),
        (["blank", "gold.spacy", "page.html"], "no component that sets entities"),
        (["model", "gold.spacy", "empty"], "The output empty is a folder"),
        (["--data", "gold.spacy", "gold.spacy"], "gold.spacy does not end in .html"),
        (["model", "gold.spacy", "page.html", "--scores", "gold.spacy"], "gold.spacy does not end in .json"),
    ],
)
def test_what_cannot_be_reported_is_said(
    args: list[str], said: str, model: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.spacy").write_bytes(corpus.read_bytes()[:-40])
    (tmp_path / "short.cfg").write_text('[nlp]\nlang = "en"\n', encoding="utf8")
    (tmp_path / "broken.cfg").write_text('[nlp\nlang = "en"\n', encoding="utf8")
    (tmp_path / "dangling.cfg").write_text("[nlp]\nlang = ${paths.lang}\n", encoding="utf8")
    (tmp_path / "bad.jsonl").write_text('{"step": 1}\n{"step":\n', encoding="utf8")
    spacy.blank("en").to_disk(tmp_path / "blank")
    monkeypatch.chdir(tmp_path)
    assert said in fails("report", *args)
    assert not (tmp_path / "page.html").exists()


def test_writes_one_page_with_every_doc(model: Path, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "page.html"
    succeeds("show", model, corpus, output)
    assert [path.name for path in output.parent.iterdir()] == ["page.html"]
    page = output.read_text(encoding="utf8")
    assert page.count("<article") == len(GOLD)
    assert f"{model} on {corpus}" in page
    assert "<dd>66.67</dd>" in page


def test_limit(model: Path, corpus: Path, tmp_path: Path) -> None:
    said = succeeds("show", model, corpus, tmp_path / "page.html", "--limit", 3)
    page = (tmp_path / "page.html").read_text(encoding="utf8")
    assert re.findall(r"<h3>Doc (\d)</h3>", page) == ["2", "3", "1"]
    assert "3 of 4 docs" in said


def test_limit_of_none_is_refused(model: Path, corpus: Path, tmp_path: Path) -> None:
    assert run("show", model, corpus, tmp_path / "page.html", "--limit", 0).exit_code == 2
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
        output, said = tmp_path, "is a folder"
    assert said in fails("show", model, corpus, output)
    assert not (tmp_path / "page.html").exists()
