"""`llama-ner budget`, on a tiny base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import srsly
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from ..active.samples import CONFIG, few_steps, write_corpora

PRICES = CONFIG.parent.parent / "assets" / "prices.yml"


@pytest.fixture
def options(tiny_llama: Path, tmp_path: Path) -> list[str]:
    overrides: dict[str, Any] = {**write_corpora(tmp_path / "corpus"), **few_steps(tiny_llama)}
    return [part for name, value in overrides.items() for part in (f"--{name}", str(value))]


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["budget", str(CONFIG), *options])


def test_writes_figures_a_page_and_a_picture(options: list[str], tmp_path: Path) -> None:
    given = (str(tmp_path / "out"), *options, "--prices", str(PRICES), "--silver-cost", "0.5")
    result = run(*given)
    assert result.exit_code == 0, result.output
    found = srsly.read_json(tmp_path / "out" / "budget.json")
    assert [(row["line"], row["share"]) for row in found["rows"]] == [
        ("mixed", 0.0),
        ("mixed", 0.2),
        ("mixed", 0.5),
        ("gold", 1.0),
    ]
    # each of the two folds leaves out half of the silver labels
    assert found["rows"][0]["cost"] == 0.25 < found["rows"][1]["cost"]
    assert "F1 against cost, USD" in (tmp_path / "out" / "budget.html").read_text(encoding="utf8")
    assert (tmp_path / "out" / "budget.svg").is_file()
    before = (tmp_path / "out" / "budget.json").read_bytes()
    assert run(*given).exit_code == 0
    assert (tmp_path / "out" / "budget.json").read_bytes() == before


def test_what_does_not_fit_is_told(options: list[str], tmp_path: Path) -> None:
    result = run(str(tmp_path / "out"), *options, "--budget.folds", "50")
    assert result.exit_code == 1
    assert "20 of 20 silver sentences have gold labels too; 50 folds need more" in " ".join(result.output.split())
