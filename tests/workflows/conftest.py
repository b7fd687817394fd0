"""The project with little data and few steps, and a way to run its workflows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import srsly
import weasel.cli.run
from spacy.cli._util import app
from spacy.util import load_config, registry
from typer.testing import CliRunner
from weasel.cli.run import project_run
from weasel.util import split_command

from tests.workflows.checks import ROOT
from tests.workflows.made_up import as_a_model_would, made_up

# settings of the configs, and of their overrides in project.yml
FEW: dict[str, Any] = {"total_steps": 4, "warmup_steps": 1, "eval_frequency": 2, "train_sample": 20}
# steps large enough that a few of them end in entities, which calibration asks for
FEW |= {"initial_rate": 0.05}
FEW |= {"window": 64, "stride": 48, "steps": 3, "per_round": 30, "total": 60, "pool_words": 120, "initial": 20}
FEW |= {"shares": [0.2], "gold_shares": [], "folds": 2}
LAYER = 2
SPLITS = {"train": 40, "valid": 8, "test": 8}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with little data and few steps."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("assets", "configs"):
        copytree(ROOT / name, folder / name)
    (folder / "project.yml").write_text(
        shrink_options((ROOT / "project.yml").read_text(encoding="utf8")), encoding="utf8"
    )
    (folder / "columns").mkdir()
    for seed, (split, size) in enumerate(SPLITS.items()):
        (folder / "columns" / f"{split}.txt").write_text(made_up(size, seed), encoding="utf8")
        path = folder / "assets" / "requests" / f"{'dev' if split == 'valid' else split}.json"
        srsly.write_json(path, srsly.read_json(path)[:size])
    columns = (folder / "columns" / "train.txt").read_text(encoding="utf8")
    (folder / "silver.txt").write_text(as_a_model_would(columns), encoding="utf8")
    for path in (folder / "configs").iterdir():
        config = load_config(path, interpolate=False)
        shrink(config)
        config.to_disk(path)
    return folder


def shrink(section: dict[str, Any]) -> None:
    for key, value in section.items():
        if isinstance(value, dict):
            shrink(value)
        elif key == "layer" and isinstance(value, int):
            section[key] = LAYER
        elif key == "attention" and isinstance(value, list):
            section[key] = value[-1:]
        elif key in FEW:
            section[key] = FEW[key]


def shrink_options(commands: str) -> str:
    """The same for options of commands, such as `--training.eval_frequency 160`."""
    for key, value in FEW.items():
        commands = re.sub(rf"(\.{key}) [\d.]+", rf"\g<1> {value}", commands)
    return re.sub(r"(\.layer) \d+", rf"\g<1> {LAYER}", commands)


@pytest.fixture
def run(
    project: Path, tiny_llama: Path, tiny_bert: Path, tiny_distilbert: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[str]]]:
    """Run a workflow as `spacy project run` does, each command in this process; gives the commands that ran.

    What a command has run by another `spacy project run` stands in its place.
    """
    ran: list[str] = []

    def run_here(scripts: list[str], **kwargs: Any) -> None:
        for script in scripts:
            python, flag, module, *args = split_command(script)
            assert (python, flag, module) == ("python", "-m", "spacy")
            done = CliRunner().invoke(app, args, catch_exceptions=False)
            assert done.exit_code == 0, done.output[-3000:]
            if args[:2] != ["project", "run"]:
                ran.append(script)

    # what `python -m spacy` does first: find the commands of other packages
    registry.cli.get_all()
    monkeypatch.setattr(weasel.cli.run, "run_commands", run_here)
    monkeypatch.setenv("SPACY_LLAMA_NER_CACHE", str(project / "cache"))
    names = {"base": tiny_llama, "bert": tiny_bert, "distilbert": tiny_distilbert, "conll2003": "columns"}
    names["silver"] = "silver.txt"

    def run(workflow: str) -> list[str]:
        ran.clear()
        project_run(project, workflow, overrides={f"vars.{name}": str(value) for name, value in names.items()})
        return list(ran)

    yield run
