"""`llama-ner pair`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from ..evaluate.sample import GOLD, write_corpus

SILVER = [
    (GOLD[2][0], [("Tomas", "NAME"), ("noon", "DATE")]),
    (GOLD[0][0], [("Ida Holm", "NAME")]),
    ("Nobody knows this.", [("Nobody", "NAME")]),
]


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["pair", *map(str, args)], env={"COLUMNS": "200"})


def labels(path: Path) -> list[tuple[str, list[str]]]:
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [(doc.text, [ent.label_ for ent in doc.ents]) for doc in docs]


@pytest.fixture
def silver(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "found.spacy", SILVER)


def test_the_sentences_of_both_in_the_order_of_silver(silver: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    result = run(silver, corpus, folder, "--output", tmp_path / "agreement.json")
    assert result.exit_code == 0, result.output
    assert labels(folder / "silver.spacy") == [(GOLD[2][0], ["NAME", "DATE"]), (GOLD[0][0], ["NAME"])]
    assert labels(folder / "gold.spacy") == [(GOLD[2][0], ["NAME", "TIME"]), (GOLD[0][0], ["NAME", "DATE"])]
    assert labels(folder / "agreed.spacy") == [(GOLD[2][0], ["NAME"]), (GOLD[0][0], ["NAME"])]
    agreement = json.loads((tmp_path / "agreement.json").read_text(encoding="utf8"))
    assert (agreement["docs"], agreement["unmatched"]) == (2, 1)
    assert (agreement["ents_p"], agreement["ents_r"]) == pytest.approx((2 / 3, 2 / 4))
    assert ["NAME", "100.00", "100.00", "100.00", "2"] in [line.split() for line in result.output.splitlines()]
    assert "1 docs of" in result.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere.spacy", "gold.spacy", "both"], "nowhere.spacy does not exist"),
        (["found.spacy", "nowhere.spacy", "both"], "nowhere.spacy does not exist"),
        (["other.spacy", "gold.spacy", "both"], "None of the 1 docs of other.spacy has the same words"),
        (["torn.spacy", "gold.spacy", "both"], "torn.spacy cannot be read"),
        (["found.spacy", "gold.spacy", "both", "--output", "taken"], "Cannot pair"),
        (["found.spacy", "gold.spacy", "."], "gold.spacy would be written over, but it is an input"),
    ],
)
def test_what_cannot_be_paired_is_said(
    args: list[str], said: str, silver: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "other.spacy", SILVER[2:])
    (tmp_path / "torn.spacy").write_bytes(corpus.read_bytes()[:-40])
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert said in " ".join(result.output.split())
