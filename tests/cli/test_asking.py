"""What all commands that ask a model have: models in process, examples, prices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import spacy_llama_ner.cli.annotate
from spacy_llama_ner.cli.app import app

from ..annotate.bases import build_chat_llama
from ..annotate.server import ScriptedServer
from ..evaluate.sample import write_corpus

TEXTS = "Mia called Omar.\nIt rained in Bern.\n"
POOL = [("Lena called Ida.", [("Lena", "NAME"), ("Ida", "NAME")]), ("Bern sleeps.", [("Bern", "PLACE")])]
PRICES = "currency: EUR\nmodels:\n  small: {input: 1000, output: 0}\n"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts.txt").write_text(TEXTS, encoding="utf8")
    (tmp_path / "prices.yml").write_text(PRICES, encoding="utf8")
    return tmp_path / "texts.txt"


def annotate(*args: object) -> Result:
    return CliRunner().invoke(app, ["annotate", *map(str, args)], env={"COLUMNS": "200"})


def report(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.with_name(f"{output.name}.report.json").read_text(encoding="utf8"))
    return found


def test_a_base_in_process_is_asked_once(texts: Path, tmp_path: Path) -> None:
    """The tiny base writes nonsense, so nothing comes of it; but its replies are kept as all are."""
    base, output = build_chat_llama(tmp_path / "base"), tmp_path / "silver.spacy"
    args = [texts, output, "--labels", "NAME", "--base-url", "local", "--model", base, "--attempts", 1]
    first = annotate(*args, "--max-tokens", 8)
    assert first.exit_code == 1 and not output.exists()
    log = output.with_name("silver.spacy.replies.jsonl").read_bytes()
    assert log.count(b"\n") == 2
    annotate(*args, "--max-tokens", 8)
    assert output.with_name("silver.spacy.replies.jsonl").read_bytes() == log


@pytest.mark.real
def test_the_default_base_answers_in_process(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    args = [texts, output, "--labels", "NAME,PLACE", "--base-url", "local", "--model", "smollm2-135m"]
    args += ["--examples", write_corpus(tmp_path / "pool.spacy", POOL), "--attempts", 1, "--max-failed", 1]
    result = annotate(*args, "--max-tokens", 40)
    assert result.exit_code == 0, result.output
    found = report(output)
    assert found["model"] == "smollm2-135m" and found["docs"] == 2
    files = {path.name: path.read_bytes() for path in tmp_path.glob("silver.spacy*")}
    (output.with_name("silver.spacy.replies.jsonl")).unlink()
    annotate(*args, "--max-tokens", 40)
    again = {path.name: path.read_bytes() for path in tmp_path.glob("silver.spacy*")}
    assert again["silver.spacy"] == files["silver.spacy"]


@pytest.mark.parametrize(
    ("choose", "shown"),
    [("words", ["Lena called Ida.", "Bern sleeps."]), ("fixed", ["Bern sleeps.", "Bern sleeps."])],
)
def test_examples_are_chosen_as_it_is_said(choose: str, shown: list[str], texts: Path, tmp_path: Path) -> None:
    pool = write_corpus(tmp_path / "pool.spacy", POOL)
    with ScriptedServer() as server:
        args = ["--labels", "NAME,PLACE", "--base-url", server.url, "--model", "small", "--concurrency", 1]
        result = annotate(
            texts, tmp_path / "silver.spacy", *args, "--examples", pool, "--shots", 1, "--choose", choose
        )
    assert result.exit_code == 0, result.output
    assert [body["messages"][-3]["content"] for body in server.bodies] == shown


def test_with_prices_the_cost_is_told(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "silver.spacy"
    with ScriptedServer() as server:
        args = ["--labels", "NAME", "--base-url", server.url, "--model", "small"]
        result = annotate(texts, output, *args, "--prices", tmp_path / "prices.yml")
    assert result.exit_code == 0, result.output
    found = report(output)
    assert found["cost"] == pytest.approx(found["input_tokens"] / 1000) and found["cost"] > 0


def test_what_has_no_price_is_not_asked(texts: Path, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        args = ["--labels", "NAME", "--base-url", server.url, "--model", "other"]
        result = annotate(texts, tmp_path / "silver.spacy", *args, "--prices", tmp_path / "prices.yml")
    assert result.exit_code == 1
    assert "no price for the model 'other'; it lists small" in " ".join(result.output.split())
    assert not server.bodies
