"""Every workflow of project.yml that is one system among many, on made-up data and tiny bases."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import spacy
import srsly
import weasel.cli.run
from catalogue import RegistryError
from spacy.cli._util import app
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Corpus
from spacy.util import load_config, load_model_from_config, registry
from typer.testing import CliRunner
from weasel.cli.run import project_run
from weasel.util import load_project_config, split_command

ROOT = Path(__file__).parent.parent
FEW: dict[str, Any] = {"total_steps": 4, "warmup_steps": 1, "eval_frequency": 2, "train_sample": 20}
FEW |= {"window": 64, "stride": 48, "steps": 3, "per_round": 30, "total": 60, "pool_words": 120}
FEW |= {"shares": [0.2], "gold_shares": [], "folds": 2}
SPLITS = {"train": 40, "valid": 8, "test": 8}
SYSTEMS = ("linear-crf", "bidirectional-lora", "bilstm-crf", "bert-bilstm", "distilbert-lora", "silver")
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
SENTENCES = (
    "{PER} won the race in {LOC} .",
    "{ORG} buys a {MISC} bakery",
    "{PER} of {ORG} flew to {LOC} , {LOC}",
    "It rained all day .",
)
NAMES = {
    "PER": ("Mia Brook", "Omar", "Lena van Dyk"),
    "LOC": ("Bern", "New York"),
    "ORG": ("Harbour Mills", "UN"),
    "MISC": ("Danish",),
}


def made_up(n_sentences: int, seed: int) -> str:
    """CoNLL columns: documents of four sentences."""
    rng, lines = random.Random(seed), []
    for i in range(n_sentences):
        if i % 4 == 0:
            lines.append("-DOCSTART- -X- -X- O\n")
        for word in SENTENCES[i % 4].split():
            label = word.strip("{}")
            pieces = rng.choice(NAMES[label]).split() if word.startswith("{") else [word]
            tags = [f"{'I' if k else 'B'}-{label}" for k in range(len(pieces))] if word.startswith("{") else ["O"]
            lines += [f"{piece} NN B-NP {tag}" for piece, tag in zip(pieces, tags, strict=True)]
        lines.append("")
    return "\n".join(lines)


def as_a_model_would(columns: str) -> str:
    """Two columns: the first 30 sentences with other labels for ORG, a tag that is none, and an I- without a B-."""
    sentences = [block.split("\n") for block in columns.replace("-DOCSTART- -X- -X- O\n", "").split("\n\n")]
    rows = [[(line.split()[0], line.split()[-1]) for line in lines if line] for lines in sentences[:30]]
    rows[1][0] = (rows[1][0][0], "[CLS]")
    lines = [[f"{word} {tag.replace('B-ORG', 'I-LOC')}" for word, tag in sentence] for sentence in rows]
    return "\n\n".join("\n".join(each) for each in lines) + "\n\nNobody O\nknows O\nthis O\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with little data and few steps."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("assets", "configs"):
        copytree(ROOT / name, folder / name)
    (folder / "project.yml").write_text((ROOT / "project.yml").read_text(encoding="utf8"), encoding="utf8")
    (folder / "columns").mkdir()
    for seed, (split, size) in enumerate(SPLITS.items()):
        (folder / "columns" / f"{split}.txt").write_text(made_up(size, seed), encoding="utf8")
        path = folder / "assets" / "requests" / f"{'dev' if split == 'valid' else split}.json"
        srsly.write_json(path, srsly.read_json(path)[:size])
    columns = (folder / "columns" / "train.txt").read_text(encoding="utf8")
    (folder / "silver.txt").write_text(as_a_model_would(columns), encoding="utf8")
    for name in (*SYSTEMS, "conll2003", "requests", "continual", "active"):
        config = load_config(folder / "configs" / f"{name}.cfg", interpolate=False)
        shrink(config)
        config.to_disk(folder / "configs" / f"{name}.cfg")
    return folder


def shrink(section: dict[str, Any]) -> None:
    for key, value in section.items():
        if isinstance(value, dict):
            shrink(value)
        elif key == "layer" and isinstance(value, int):
            section[key] = 2
        elif key == "attention" and isinstance(value, list):
            section[key] = value[-1:]
        elif key in FEW:
            section[key] = FEW[key]


@pytest.fixture
def run(
    project: Path, tiny_llama: Path, tiny_bert: Path, tiny_distilbert: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[str]]]:
    """Run a workflow as `spacy project run` does, each command in this process; gives the commands that ran."""
    ran: list[str] = []

    def run_here(scripts: list[str], **kwargs: Any) -> None:
        for script in scripts:
            python, flag, module, *args = split_command(script)
            assert (python, flag, module) == ("python", "-m", "spacy")
            done = CliRunner().invoke(app, args, catch_exceptions=False)
            assert done.exit_code == 0, done.output[-3000:]
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


def check_results(project: Path, name: str, *, corpus: str = "conll2003-sentences", training: str = "") -> None:
    """corpus: which test data the scores are of. training: folder of the curve, if it is not that of the pipeline."""
    scores = srsly.read_json(project / "metrics" / f"{name}.json")
    lines = list(srsly.read_jsonl(project / "training" / (training or name) / "curve.jsonl"))
    assert [line["step"] for line in lines] == [0, 2, 4]
    assert all(line[split]["loss"] > 0 for line in lines for split in ("train", "dev"))
    page = (project / "pages" / f"{name}.html").read_text(encoding="utf8")
    assert page.endswith("</html>\n") and "Learning curves" in page
    nlp = spacy.load(project / "training" / name / "model-best")
    again = nlp.evaluate(list(Corpus(project / "corpus" / corpus / "test.spacy")(nlp)))
    for key in ("ents_p", "ents_r", "ents_f", "ents_token_acc"):
        assert scores[key] == pytest.approx(again[key], abs=1e-6)


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
    check_results(project, name, corpus="requests" if name == "distilbert-lora" else "conll2003-sentences")
    trained = load_config(project / "training" / name / "model-best" / "config.cfg", interpolate=True)
    model = trained["components"]["llama_ner"]["model"]
    for path, value in WORKFLOWS[name].items():
        assert find(model, path) == value
    # whether a base is in its cache is looked up each time
    assert all(" fetch " in script for script in run(name))


def test_conll2003_ends_with_scores_that_are_calibrated(project: Path, run: Callable[[str], list[str]]) -> None:
    ran = run("conll2003")
    check_results(project, "conll2003", corpus="conll2003", training="conll2003/uncalibrated")
    assert sum(" calibrate " in script for script in ran) == 1
    page = (project / "pages" / "conll2003-data.html").read_text(encoding="utf8")
    assert all(f">{split}</th>" in page for split in ("train", "dev", "test"))
    assert all(" fetch " in script for script in run("conll2003"))


def test_conll2003_starts_from_a_base_that_was_warmed_up(
    project: Path,
    run: Callable[[str], list[str]],
    tiny_llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run("conll2003-convert")
    monkeypatch.chdir(project)
    base = ["--components.llama_ner.model.tok2vec.base", str(tiny_llama)]
    warm = ["pretrain", "configs/conll2003.cfg", "training/warm", *base]
    train = ["train", "configs/conll2003.cfg", "--output", "training/warmed", *base]
    for command in (warm, [*train, "--paths.init_tok2vec", "training/warm/model-last.bin"]):
        with caplog.at_level(logging.INFO, "spacy"):
            done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output[-3000:]
    assert "Loaded pretrained weights from training/warm/model-last.bin" in caplog.text
    assert (project / "training" / "warmed" / "model-last").is_dir()


def test_the_causal_mask_stands_beside_none(project: Path, run: Callable[[str], list[str]]) -> None:
    run("bidirectional-lora")
    check_results(project, "causal-lora")
    trained = load_config(project / "training" / "causal-lora" / "model-best" / "config.cfg", interpolate=True)
    assert trained["components"]["llama_ner"]["model"]["tok2vec"]["attention"] == "causal"
    page = (project / "pages" / "bidirectional-lora.html").read_text(encoding="utf8")
    assert ">dev</li>" in page and ">causal-lora dev</li>" in page


def test_silver_labels_are_set_beside_gold_ones_of_the_same_sentences(
    project: Path, run: Callable[[str], list[str]]
) -> None:
    run("silver")
    agreement = srsly.read_json(project / "metrics" / "silver-labels.json")
    assert (agreement["docs"], agreement["unmatched"]) == (30, 1)
    assert agreement["ents_per_type"]["PER"]["f"] == 1
    assert agreement["ents_per_type"]["ORG"]["f"] == 0 < agreement["ents_f"] < 1
    nlp = spacy.blank("en")
    silver, gold = (
        [eg.reference for eg in Corpus(project / "corpus" / "silver" / f"{name}.spacy")(nlp)]
        for name in ("silver", "gold")
    )
    assert [doc.text for doc in silver] == [doc.text for doc in gold]
    assert [doc.ents for doc in silver] != [doc.ents for doc in gold]

    found = srsly.read_json(project / "metrics" / "silver.json")["data"]
    assert list(found) == [f"corpus/conll2003-sentences/{split}.spacy" for split in ("dev", "test")]
    for name, side in (("silver", "first"), ("gold", "second")):
        nlp = spacy.load(project / "training" / "silver" / name / "model-best")
        for data, labels in found.items():
            scores = nlp.evaluate(list(Corpus(project / data)(nlp)))
            assert labels["all"][side]["f"] == pytest.approx(scores["ents_f"], abs=1e-6)
    page = (project / "pages" / "silver.html").read_text(encoding="utf8")
    assert "<h1>silver beside gold</h1>" in page and page.endswith("</html>\n")
    assert all(" fetch " in script for script in run("silver"))


def test_gold_labels_are_bought_round_by_round(project: Path, run: Callable[[str], list[str]]) -> None:
    run("active-learning")
    history = list(srsly.read_jsonl(project / "training" / "active" / "history.jsonl"))
    assert [line["round"] for line in history] == [0, 1, 2]
    assert history[0]["gold"]["words"] == 0 < history[1]["gold"]["words"] <= 30 < history[2]["gold"]["words"] <= 60
    nlp = spacy.load(project / "training" / "active" / "model-best")
    scores = srsly.read_json(project / "metrics" / "active.json")
    again = nlp.evaluate(list(Corpus(project / "corpus" / "conll2003-sentences" / "test.spacy")(nlp)))
    assert scores["ents_f"] == pytest.approx(again["ents_f"], abs=1e-6)
    assert all(" fetch " in script for script in run("active-learning"))


def test_shares_of_gold_are_measured_beside_silver(project: Path, run: Callable[[str], list[str]]) -> None:
    run("budget")
    rows = srsly.read_json(project / "training" / "budget" / "budget.json")["rows"]
    found = [(row["line"], row["share"], row["folds"]) for row in rows]
    assert found == [("mixed", 0.0, 2), ("mixed", 0.2, 2), ("gold", 1.0, 2)]
    assert rows[0]["cost"] == 0 < rows[1]["cost"] < rows[2]["cost"]
    assert all(" fetch " in script for script in run("budget"))


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


def test_new_labels_for_a_trained_recogniser(project: Path, run: Callable[[str], list[str]]) -> None:
    *_, evaluate = run("continual")
    assert "--before training/continual/old/model-best" in evaluate
    scores = srsly.read_json(project / "metrics" / "continual.json")
    assert scores["before"].keys() <= scores.keys()
    old, new = (
        spacy.load(project / "training" / "continual" / name) for name in ("old/model-best", "new/model-last")
    )
    assert old.get_pipe("llama_ner").labels == ("EMAIL", "NAME")
    assert new.get_pipe("llama_ner").labels == ("EMAIL", "NAME", "DATE", "TIME")


def test_every_workflow_ends_with_scores() -> None:
    project = load_project_config(ROOT)
    commands = {command["name"]: command for command in project["commands"]}
    assert {*WORKFLOWS, "bert-bilstm"} <= set(project["workflows"])
    for name in (*WORKFLOWS, "bert-bilstm"):
        *before, last = (commands[step] for step in project["workflows"][name])
        assert last["outputs"] == [f"metrics/{name}.json", f"pages/{name}.html"]
        made = {path for command in before for path in command.get("outputs", [])}
        used = {path for command in (*before, last) for path in command.get("deps", [])}
        assert {path for path in used if path.startswith(("corpus/", "training/"))} <= made


@pytest.mark.parametrize("name", [*SYSTEMS, "requests", "conll2003", "generative"])
def test_a_config_says_all_that_there_is_to_say(name: str) -> None:
    """Filling it in adds nothing, and whatever it says is read by something."""
    if name == "bert-bilstm":
        pytest.importorskip("spacy_transformers")
    config = load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False)
    nlp = load_model_from_config(config, auto_fill=True, validate=True)
    assert nlp.config == config
    training = registry.resolve(config.interpolate()["training"], schema=ConfigSchemaTraining, validate=True)
    assert training["max_steps"] == config["training"]["optimizer"]["learn_rate"]["total_steps"]
