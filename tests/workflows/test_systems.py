"""Every workflow of project.yml that is one system among many, on made-up data and tiny bases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from catalogue import RegistryError
from spacy.util import load_config
from weasel.util import load_project_config, parse_config_overrides, split_command

from tests.workflows.checks import ROOT, check_results

# workflow → what makes it what it is
WORKFLOWS: dict[str, dict[str, Any]] = {
    "linear-crf": {"tok2vec.lora": None, "tok2vec.unfreeze_layers": 0, "loss.label_weights": None},
    "linear-crf-lora": {"tok2vec.lora": {"rank": 16, "alpha": 32}},
    "linear-crf-unfrozen": {"tok2vec.lora": None, "tok2vec.unfreeze_layers": 2},
    "linear-crf-precision": {"loss.label_weights": {"O": 4}},
    "linear-crf-recall": {"loss.label_weights": {"O": 0.1}},
    "bidirectional-lora": {"tok2vec.attention": "bidirectional", "loss.crf": 0.0, "loss.cross_entropy": 1.0},
    "bilstm-crf": {"tok2vec.lora": None, "head.@architectures": "spacy_llama_ner.BiLSTMHead.v1"},
    "distilbert-lora": {"tok2vec.@architectures": "spacy_llama_ner.TransformerEncoder.v1"},
}
# those whose scores say how often they are right only after calibration
CALIBRATED = {"linear-crf", "linear-crf-precision", "bidirectional-lora", "bilstm-crf"}


def find(settings: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        settings = settings[key]
    return settings


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_trains_and_scores_and_does_nothing_the_second_time(
    project: Path, run: Callable[[str], list[str]], name: str
) -> None:
    *_, report = run(name)
    assert f"--scores metrics/{name}.json" in report and f"pages/{name}.html" in report
    check_results(
        project,
        name,
        corpus="requests" if name == "distilbert-lora" else "conll2003-sentences",
        pipeline="calibrated" if name in CALIBRATED else "model-best",
    )
    trained = load_config(project / "training" / name / "model-best" / "config.cfg", interpolate=True)
    model = trained["components"]["llama_ner"]["model"]
    for path, value in WORKFLOWS[name].items():
        assert find(model, path) == value
    # whether a base is in its cache is looked up each time
    assert all(" fetch " in script for script in run(name))


def test_the_causal_mask_stands_beside_none(project: Path, run: Callable[[str], list[str]]) -> None:
    run("bidirectional-lora")
    check_results(project, "causal-lora")
    trained = load_config(project / "training" / "causal-lora" / "model-best" / "config.cfg", interpolate=True)
    assert trained["components"]["llama_ner"]["model"]["tok2vec"]["attention"] == "causal"
    page = (project / "pages" / "bidirectional-lora.html").read_text(encoding="utf8")
    assert ">bidirectional-lora dev</li>" in page and ">causal-lora dev</li>" in page


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_bert_by_spacy_transformers(project: Path, run: Callable[[str], list[str]]) -> None:
    pytest.importorskip("spacy_transformers")
    run("bert-bilstm")
    check_results(project, "bert-bilstm")
    assert all(" fetch " in script for script in run("bert-bilstm"))


@pytest.mark.skipif(find_spec("spacy_transformers") is not None, reason="spacy-transformers is installed")
def test_bert_without_spacy_transformers_names_the_package(run: Callable[[str], list[str]]) -> None:
    with pytest.raises(RegistryError, match="make sure the package is installed") as raised:
        run("bert-bilstm")
    assert "'spacy-transformers.Tok2VecTransformer.v3'" in str(raised.value)


def commands_of(workflow: str, overrides: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Commands in their order, those in the place of a `project run` that it runs."""
    project = load_project_config(ROOT, overrides=overrides)
    commands = {command["name"]: command for command in project["commands"]}
    for step in project["workflows"][workflow]:
        *_, script = commands[step]["script"]
        words = split_command(script)
        if words[:5] == ["python", "-m", "spacy", "project", "run"]:
            yield from commands_of(words[5], parse_config_overrides(words[7:]))
        else:
            yield commands[step]


@pytest.mark.parametrize("name", [*WORKFLOWS, "bert-bilstm"])
def test_every_workflow_ends_with_scores(name: str) -> None:
    *before, last = commands_of(name, {})
    assert last["outputs"] == [f"metrics/{name}.json", f"pages/{name}.html"]
    made = {path for command in before for path in command.get("outputs", [])}
    used = {path for command in (*before, last) for path in command.get("deps", [])}
    assert {path for path in used if path.startswith(("corpus/", "training/"))} <= made
    assert (f"training/{name}/calibrated" in last["deps"]) == (name in CALIBRATED)
