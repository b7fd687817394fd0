"""`active-learn` and `budget`, on a tiny base."""

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

from tests.active.samples import CONFIG, few_steps, write_corpora
from tests.active.test_loop import contents
from tests.cli.helpers import fails, succeeds

PRICES = CONFIG.parent.parent / "assets" / "prices.yml"


@pytest.fixture
def options(tiny_llama: Path, tmp_path: Path) -> list[str]:
    overrides: dict[str, Any] = {**write_corpora(tmp_path / "corpus"), **few_steps(tiny_llama)}
    return [part for name, value in overrides.items() for part in (f"--{name}", str(value))]


def test_tells_of_each_round_and_where_the_best_is(options: list[str], tmp_path: Path) -> None:
    said = succeeds("active-learn", CONFIG, tmp_path / "out", *options)
    for number in range(3):
        assert f"Round {number}: F1" in said
    assert "Over after round 2: the budget is spent" in said
    assert "The best pipeline, of round" in said
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
    succeeds("active-learn", CONFIG, tmp_path / "killed", *options)
    succeeds("active-learn", CONFIG, tmp_path / "whole", *options)
    whole = contents(tmp_path / "whole")
    pages = {name for name in whole if name.endswith(".html")}
    killed = contents(tmp_path / "killed")
    assert killed.keys() == whole.keys()
    # pages name their folder
    assert {name for name in whole if killed[name] != whole[name]} <= pages


def test_other_settings_do_not_go_on_with_the_same_folder(options: list[str], tmp_path: Path) -> None:
    few = ["--active.initial", "30", "--active.total", "30"]
    succeeds("active-learn", CONFIG, tmp_path / "out", *options, *few)
    said = fails("active-learn", CONFIG, tmp_path / "out", *options, *few, "--training.dropout", "0.5")
    assert "has begun that differs in training.dropout" in said


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
        succeeds("active-learn", CONFIG, tmp_path / "out", *options, *few, "--push", "acme/people")
    assert pushed == [("acme/people", "round-0"), ("acme/people", "round-1")]


def test_taken_up_again_it_never_shows_less_than_it_had(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeds("active-learn", CONFIG, tmp_path / "out", *options)
    before = contents(tmp_path / "out")

    def push(*args: Any, **kwargs: Any) -> str:
        raise OSError("no network")

    monkeypatch.setattr("spacy_llama_ner.cli.active.push", push)
    assert "no network" in fails("active-learn", CONFIG, tmp_path / "out", *options, "--push", "acme/people")
    assert contents(tmp_path / "out") == before


def test_what_was_wrong_at_the_start_can_be_put_right(options: list[str], tmp_path: Path) -> None:
    few = ["--active.initial", "30", "--active.total", "30"]
    fails("active-learn", CONFIG, tmp_path / "out", *options, *few, "--paths.pool", tmp_path / "typo.spacy")
    succeeds("active-learn", CONFIG, tmp_path / "out", *options, *few)


def test_with_files_the_same_command_goes_on_when_they_are_there(options: list[str], tmp_path: Path) -> None:
    oracle = {"@misc": "spacy_llama_ner.FileOracle.v1", "folder": str(tmp_path / "tasks"), "format": "doccano"}
    few = ["--active.total", "120", "--active.oracle", json.dumps({**oracle, "labels": ["PER", "LOC"]})]
    for waited in range(2):
        said = fails("active-learn", CONFIG, tmp_path / "out", *options, *few)
        assert "texts are waiting in" in said
        (tasks,) = (
            path for path in (tmp_path / "tasks").glob("*/tasks.jsonl") if not any(path.parent.glob("done/*"))
        )
        (tasks.parent / "done" / "finished.jsonl").write_bytes(tasks.read_bytes())
        assert f"Round {waited}: F1" in said
    said = succeeds("active-learn", CONFIG, tmp_path / "out", *options, *few)
    assert "Over after round 2: the budget is spent" in said


@pytest.mark.parametrize(
    ("wrong", "say"),
    [
        (["--paths.pool", "no.spacy"], "no.spacy does not exist"),
        (["--paths.gold", "no.spacy"], "no.spacy do not exist"),
        (["--active.silver_weight", "7"], "silver_weight"),
        (["--paths.dev", "no.spacy"], "no.spacy"),
        (["--prices", "no.yml"], "There is no price list no.yml"),
        (["--active.color", "red"], "color"),
        (["--components.llama_ner.model.tok2vec.base", "no/such-base"], "no/such-base"),
        (["--components.llama_ner.model.tok2vec.attention", "sideways"], "sideways"),
        (["--training.sed", "1"], "training.sed"),
        (["--sed", "1"], "Settings of the config have a dot in their names"),
        (["--active.score.@misc", "no_such_score.v1"], "functions of your own need --code"),
        (["--paths.silver", str(CONFIG)], "cannot be read; is it whole?"),
    ],
)
def test_what_does_not_fit_is_told(options: list[str], tmp_path: Path, wrong: list[str], say: str) -> None:
    said = fails("active-learn", CONFIG, tmp_path / "out", *options, *wrong)
    assert "llama-ner active-learn stopped" in said
    assert say in said


def test_budget_writes_figures_a_page_and_a_picture(options: list[str], tmp_path: Path) -> None:
    given = ["budget", CONFIG, tmp_path / "out", *options, "--prices", PRICES, "--silver-cost", "0.5"]
    succeeds(*given)
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
    succeeds(*given)
    assert (tmp_path / "out" / "budget.json").read_bytes() == before


def test_more_folds_than_the_budget_has_sentences_are_refused(options: list[str], tmp_path: Path) -> None:
    said = fails("budget", CONFIG, tmp_path / "out", *options, "--budget.folds", "50")
    assert "20 of 20 silver sentences have gold labels too; 50 folds need more" in said
