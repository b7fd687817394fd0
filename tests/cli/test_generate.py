"""`llama-ner generate`: from the names of labels to a data set, and with two more commands to a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli.train import train
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from ..annotate.server import ScriptedServer
from ..annotate.writer import write_texts

ROOT = Path(__file__).parent.parent.parent
LABELS = '[labels]\nGUEST = "who comes"\nCOOK = "who cooks"\nWAITER = null\n'


def write_recipe(folder: Path, **settings: object) -> Path:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = folder / "recipe.cfg"
    path.write_text("\n".join([LABELS, "[generate]", *lines, ""]), encoding="utf8")
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [*map(str, args)])


def flat(result: Result) -> str:
    """What was printed, whatever the width of the screen."""
    return " ".join(result.output.split())


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.name != "replies.jsonl"}


def test_from_three_label_names_to_a_pipeline_in_three_commands(tiny_llama: Path, tmp_path: Path) -> None:
    folder, corpus = tmp_path / "orders", tmp_path / "corpus"
    with ScriptedServer(answer=write_texts) as server:
        made = run("generate", write_recipe(tmp_path, count=60), folder, "--model", "m", "--base-url", server.url)
    assert made.exit_code == 0, made.output
    assert "54 records to train, 6 for dev" in flat(made)

    converted = run("convert", folder / "train.json", folder / "dev.json", corpus)
    assert converted.exit_code == 0, converted.output
    assert not list(corpus.glob("*.problems.jsonl"))

    overrides = {
        "paths.train": str(corpus / "train.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "components.llama_ner.model.tok2vec.base": str(tiny_llama),
        "components.llama_ner.model.tok2vec.attention": "bidirectional",
        "training.optimizer.learn_rate.total_steps": 30,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.optimizer.learn_rate.initial_rate": 0.01,
        "training.eval_frequency": 15,
    }
    train(ROOT / "configs" / "requests.cfg", tmp_path / "training", overrides=overrides)
    nlp = spacy.load(tmp_path / "training" / "model-best")
    assert set(nlp.get_pipe("llama_ner").labels) == {"GUEST", "COOK", "WAITER"}
    assert nlp.meta["performance"]["ents_f"] > 0.3


def test_the_folder_tells_what_was_made_and_what_was_rejected(tmp_path: Path) -> None:
    def answer(said: str) -> str:
        texts = json.loads(write_texts(said))
        return json.dumps({"texts": ["No entity at all here.", *texts["texts"]]} if "texts" in texts else texts)

    folder = tmp_path / "orders"
    recipe = write_recipe(tmp_path, count=20, dev=0.2, negatives=0.0)
    with ScriptedServer(answer=answer) as server:
        made = run("generate", recipe, folder, "--model", "m", "--base-url", server.url)
    assert made.exit_code == 0, made.output
    assert [len(srsly.read_json(folder / name)) for name in ("train.json", "dev.json")] == [16, 4]
    rejects = list(srsly.read_jsonl(folder / "rejects.jsonl"))
    assert {row["reason"] for row in rejects} == {"no entity where some were asked for"}
    assert {row["record"] for row in rejects} == {"No entity at all here."}
    report = srsly.read_json(folder / "report.json")
    assert report["records"] == {"train": 16, "dev": 4}
    assert report["labels"] == {"GUEST": "who comes", "COOK": "who cooks", "WAITER": ""}
    assert len(report["topics"]) == 6
    assert report["rejects"] == {"no entity where some were asked for": len(rejects)}
    assert report["replies"] == len(server.bodies) == report["questions"]
    prompts = [body["messages"][-1]["content"] for body in server.bodies[1:]]
    assert len(set(prompts)) == len(prompts), "no two questions are the same"


def test_the_same_command_again_asks_nothing_and_writes_the_same(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, count=20)
    with ScriptedServer(answer=write_texts) as server:
        for _ in range(2):
            made = run("generate", recipe, tmp_path / "out", "--model", "m", "--base-url", server.url)
            assert made.exit_code == 0, made.output
            asked = len(server.bodies)
        # half the log, as after a kill
        log = tmp_path / "out" / "replies.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        whole = results(tmp_path / "out")
        log.write_bytes(b"".join(lines[: len(lines) // 2]) + b"{torn")
        made = run("generate", recipe, tmp_path / "out", "--model", "m", "--base-url", server.url)
    assert asked == len(lines)
    assert "1 lines of" in made.output
    assert len(server.bodies) == asked + len(lines) - len(lines) // 2
    assert results(tmp_path / "out") == whole


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("I am sorry.", "No text came out: 0 were rejected, 6 questions got no usable reply"),
        ('{"texts": ["Ask [Ida](GUEST) to come."]}', "There are 1 records, not 16"),
    ],
)
def test_too_few_records_are_an_error(tmp_path: Path, answer: str, problem: str) -> None:
    recipe = write_recipe(tmp_path, count=16, negatives=0.0, topics=["lunch"])
    with ScriptedServer(answer=lambda said: answer) as server:
        made = run("generate", recipe, tmp_path / "out", "--model", "m", "--base-url", server.url, "--attempts", 1)
    assert made.exit_code == 1
    assert problem in flat(made)
    assert (tmp_path / "out" / "rejects.jsonl").exists()
    assert isinstance(made.exception, SystemExit)


def test_a_recipe_that_does_not_fit_is_said_without_a_traceback(tmp_path: Path) -> None:
    made = run("generate", write_recipe(tmp_path, count=-1), tmp_path / "out", "--model", "m")
    assert made.exit_code == 1 and "expected is a whole number" in flat(made)
    assert isinstance(made.exception, SystemExit)
    made = run("generate", tmp_path / "none.cfg", tmp_path / "out", "--model", "m")
    assert made.exit_code == 1 and "No such file" in made.output


def test_questions_without_a_reply_are_listed_with_the_reason(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, count=20, topics=["a", "b"])
    with ScriptedServer(refuse=lambda body: (400, "context too long")) as server:
        made = run("generate", recipe, tmp_path / "out", "--model", "m", "--base-url", server.url)
    assert made.exit_code == 1
    assert "0 replies to" in flat(made)
    rows = list(srsly.read_jsonl(tmp_path / "out" / "rejects.jsonl"))
    assert rows and all("context too long" in row["detail"] for row in rows)
    assert srsly.read_json(tmp_path / "out" / "report.json")["failed"] == len(rows)


def test_no_dev_data_of_an_earlier_run_are_left(tmp_path: Path) -> None:
    with ScriptedServer(answer=write_texts) as server:
        for dev in (0.2, 0.0):
            recipe = write_recipe(tmp_path, count=20, dev=dev)
            assert run("generate", recipe, tmp_path / "out", "--model", "m", "--base-url", server.url).exit_code == 0
            assert (tmp_path / "out" / "dev.json").exists() == bool(dev)
