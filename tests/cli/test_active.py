"""`llama-ner active-learn`, on a tiny base."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import srsly
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app
from tests.active.samples import CONFIG, few_steps, write_corpora
from tests.active.test_loop import contents


@pytest.fixture
def options(tiny_llama: Path, tmp_path: Path) -> list[str]:
    overrides: dict[str, Any] = {**write_corpora(tmp_path / "corpus"), **few_steps(tiny_llama)}
    return [part for name, value in overrides.items() for part in (f"--{name}", str(value))]


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["active-learn", str(CONFIG), *options])


def told(result: Result) -> str:
    return " ".join(result.output.split())


def test_tells_of_each_round_and_where_the_best_is(options: list[str], tmp_path: Path) -> None:
    result = run(str(tmp_path / "out"), *options)
    assert result.exit_code == 0, result.output
    for number in range(3):
        assert f"Round {number}: F1" in told(result)
    assert "Over after round 2: the budget is spent" in told(result)
    assert "The best pipeline, of round" in told(result)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"history.jsonl", "history.html", "history.svg", "model-best", "gold.spacy", "run.json", "rounds"} <= names


def test_killed_in_a_round_it_comes_to_the_same(options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "spacy", "llama-ner", "active-learn", str(CONFIG), str(tmp_path / "killed")]
    running = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "rounds" / "001" / "asked.spacy").exists() and running.poll() is None:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "killed" / "rounds" / "002" / "result.json").exists()
    again = run(str(tmp_path / "killed"), *options)
    assert again.exit_code == 0, again.output
    assert run(str(tmp_path / "whole"), *options).exit_code == 0
    whole = contents(tmp_path / "whole")
    pages = {name for name in whole if name.endswith(".html")}
    killed = contents(tmp_path / "killed")
    assert killed.keys() == whole.keys()
    # pages name their folder
    assert {name for name in whole if killed[name] != whole[name]} <= pages


def test_other_settings_do_not_go_on_with_the_same_folder(options: list[str], tmp_path: Path) -> None:
    few = ["--active.initial", "30", "--active.total", "30"]
    assert run(str(tmp_path / "out"), *options, *few).exit_code == 0
    again = run(str(tmp_path / "out"), *options, *few, "--training.dropout", "0.5")
    assert again.exit_code == 1
    assert "has begun that differs in training.dropout" in told(again)


def test_each_round_goes_to_a_branch_of_its_own(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed: list[tuple[str, str]] = []

    def push(folder: Path, repo: str, *, branch: str) -> str:
        assert (folder / "meta.json").is_file()
        pushed.append((repo, branch))
        return "https://hub/commit"

    monkeypatch.setattr("spacy_llama_ner.cli.active.push", push)
    few = ["--active.total", "60"]
    for _ in range(2):
        assert run(str(tmp_path / "out"), *options, *few, "--push", "acme/people").exit_code == 0
    assert pushed == [("acme/people", "round-0"), ("acme/people", "round-1")]


def test_taken_up_again_it_never_shows_less_than_it_had(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(str(tmp_path / "out"), *options).exit_code == 0
    before = contents(tmp_path / "out")

    def push(*args: Any, **kwargs: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr("spacy_llama_ner.cli.active.push", push)
    assert run(str(tmp_path / "out"), *options, "--push", "acme/people").exit_code == 1
    assert contents(tmp_path / "out") == before


def test_what_was_wrong_at_the_start_can_be_put_right(options: list[str], tmp_path: Path) -> None:
    few = ["--active.initial", "30", "--active.total", "30"]
    assert run(str(tmp_path / "out"), *options, *few, "--paths.pool", str(tmp_path / "typo.spacy")).exit_code == 1
    again = run(str(tmp_path / "out"), *options, *few)
    assert again.exit_code == 0, again.output


def test_with_files_the_same_command_goes_on_when_they_are_there(options: list[str], tmp_path: Path) -> None:
    oracle = {"@misc": "spacy_llama_ner.FileOracle.v1", "folder": str(tmp_path / "tasks"), "format": "doccano"}
    few = ["--active.total", "120", "--active.oracle", json.dumps({**oracle, "labels": ["PER", "LOC"]})]
    for waited in range(2):
        waiting = run(str(tmp_path / "out"), *options, *few)
        assert waiting.exit_code == 1 and "texts are waiting in" in told(waiting), waiting.output
        (tasks,) = (
            path for path in (tmp_path / "tasks").glob("*/tasks.jsonl") if not any(path.parent.glob("done/*"))
        )
        (tasks.parent / "done" / "finished.jsonl").write_bytes(tasks.read_bytes())
        assert f"Round {waited}: F1" in told(waiting)
    over = run(str(tmp_path / "out"), *options, *few)
    assert over.exit_code == 0, over.output
    assert "Over after round 2: the budget is spent" in told(over)


@pytest.mark.parametrize(
    ("wrong", "say"),
    [
        (["--paths.pool", "no.spacy"], "no.spacy does not exist"),
        (["--paths.gold", "no.spacy"], "no.spacy are not there"),
        (["--active.silver_weight", "7"], "silver_weight"),
        (["--paths.dev", "no.spacy"], "no.spacy"),
        (["--prices", "no.yml"], "There is no price list no.yml"),
        (["--active.color", "red"], "color"),
        (["--components.llama_ner.model.tok2vec.base", "no/such-base"], "no/such-base"),
    ],
)
def test_what_does_not_fit_is_told(options: list[str], tmp_path: Path, wrong: list[str], say: str) -> None:
    result = run(str(tmp_path / "out"), *options, *wrong)
    assert result.exit_code == 1, result.output
    assert "Active learning cannot go on" in told(result)
    assert say in told(result)
    assert "Traceback" not in result.output


PRICES = CONFIG.parent.parent / "assets" / "prices.yml"


def budget_run(*options: str) -> Result:
    return CliRunner().invoke(app, ["budget", str(CONFIG), *options])


def test_writes_figures_a_page_and_a_picture(options: list[str], tmp_path: Path) -> None:
    given = (str(tmp_path / "out"), *options, "--prices", str(PRICES), "--silver-cost", "0.5")
    result = budget_run(*given)
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
    assert budget_run(*given).exit_code == 0
    assert (tmp_path / "out" / "budget.json").read_bytes() == before


def test_budget_what_does_not_fit_is_told(options: list[str], tmp_path: Path) -> None:
    result = budget_run(str(tmp_path / "out"), *options, "--budget.folds", "50")
    assert result.exit_code == 1
    assert "20 of 20 silver sentences have gold labels too; 50 folds need more" in " ".join(result.output.split())
