"""A folder with small stand-ins for all that the pages speak of."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, registry
from typer.testing import CliRunner

from spacy_llama_ner.base.gguf import SOURCE, converted_folder
from spacy_llama_ner.base.locate import ALIASES
from tests.docs.blocks import ROOT
from tests.llm.bases import build_chat_llama
from tests.llm.server import ScriptedServer, mark_capitals
from tests.llm.writer import write_texts

# of training and active learning; steps large enough that a few of them end in entities, which calibration asks for
FEW: dict[str, Any] = {"total_steps": 4, "warmup_steps": 1, "eval_frequency": 4, "train_sample": 20, "steps": 2}
FEW |= {"initial_rate": 0.05, "window": 64, "stride": 48, "hidden": 8}
FEW |= {"per_round": 20, "total": 40, "pool_words": 80, "initial": 20, "shares": [0.5], "gold_shares": [], "folds": 2}
SIZE = 20


def run_spacy(args: list[str]) -> None:
    """Run `python -m spacy ARGS` in this process; an expert answers what it asks for."""
    # what `python -m spacy` does first: find the commands of other packages
    registry.cli.get_all()
    done = CliRunner().invoke(app, args, catch_exceptions=False)
    while done.exit_code and (folder := re.search(r"texts are waiting in (\S+)/tasks\.jsonl", done.output)):
        tasks = Path(folder[1]) / "tasks.jsonl"
        (tasks.parent / "done" / "finished.jsonl").write_bytes(tasks.read_bytes())
        done = CliRunner().invoke(app, args, catch_exceptions=False)
    assert done.exit_code == 0, f"spacy {' '.join(args)}\n{done.output[-3000:]}"


def shrink(section: dict[str, Any]) -> None:
    """Make a config one of few steps on a base of two layers."""
    for key, value in section.items():
        if isinstance(value, dict):
            shrink(value)
        elif key == "layer" and isinstance(value, int):
            section[key] = 2
        elif key == "attention" and isinstance(value, list):
            section[key] = value[-1:]
        elif key in FEW and not isinstance(value, str):
            section[key] = FEW[key]


def stand_in_for_hub(patch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Let the default base and every base of the Hub be a tiny one, the first in `cache`; gives its folder."""
    patch.setenv("SPACY_LLAMA_NER_CACHE", str(cache))
    base = converted_folder(ALIASES["smollm2-135m"].gguf_sha256)
    patch.setattr("huggingface_hub.snapshot_download", lambda *args, **kwargs: str(base))
    return base


@pytest.fixture(scope="session")
def cache_of_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose default base is a tiny one."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        base = stand_in_for_hub(patch, folder)
        build_chat_llama(base)
        (base / SOURCE).write_text("{}", encoding="utf8")
    return folder


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, cache_of_pages: Path) -> Path:
    """A clone of the project with little data, few steps and a tiny base, in which pipelines are trained already."""
    folder = tmp_path_factory.mktemp("clone")
    copytree(ROOT / "assets", folder / "assets")
    for path in (ROOT / "configs").glob("*.cfg"):
        config = load_config(path, interpolate=False)
        shrink(config)
        (folder / "configs").mkdir(exist_ok=True)
        config.to_disk(folder / "configs" / path.name)
    # nothing of it stays for the tests of other folders
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for_hub(patch, cache_of_pages)
        patch.chdir(folder)
        _write_data(folder)
        _train(folder)
    return folder


def _write_data(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        records = list(srsly.read_json(folder / "assets" / "requests" / f"{split}.json"))[:SIZE]
        srsly.write_json(folder / f"{split}.json", records)
    run_spacy(["llama-ner", "convert", "train.json", "dev.json", "test.json", "corpus"])
    copytree(folder / "corpus", folder / "corpus" / "requests")
    copytree(folder / "corpus", folder / "corpus" / "conll2003")
    for name in ("silver", "gold", "pool"):
        for place in (folder, folder / "corpus"):
            (place / f"{name}.spacy").write_bytes((folder / "corpus" / "train.spacy").read_bytes())
    for split in ("dev", "test"):
        (folder / f"{split}.spacy").write_bytes((folder / "corpus" / f"{split}.spacy").read_bytes())
    texts = [record["text"] for record in records]
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf8")
    for name in ("texts.jsonl", "more.jsonl", "corpus-of-texts/part.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        srsly.write_jsonl(folder / name, [{"text": text} for text in texts])
    # texts of which every expert has said something
    gold = DocBin().from_disk(folder / "gold.spacy").get_docs(spacy.blank("en").vocab)
    assert any(doc.ents for doc in gold)


def _train(folder: Path) -> None:
    run_spacy(["train", "configs/requests.cfg", "--output", "training/requests"])
    for name in ("mine", "silver", "gold"):
        copytree(folder / "training" / "requests", folder / "training" / name)
    # recognisers on one pipeline do not share labels
    for name, labels in {"people": "NAME", "dates": "DATE", "products": "EMAIL"}.items():
        run_spacy(["llama-ner", "convert", "train.json", "dev.json", f"corpus/{name}", "--labels", labels])
        paths = ["--paths.train", f"corpus/{name}/train.spacy", "--paths.dev", f"corpus/{name}/dev.spacy"]
        run_spacy(["train", "configs/requests.cfg", "--output", f"training/{name}", *paths])
    run_spacy(["llama-ner", "export-adapter", "training/products/model-best", "acme/products"])


@pytest.fixture
def clone(stand_ins: Path, cache_of_pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stand-ins for one page, as working directory."""
    stand_in_for_hub(monkeypatch, cache_of_pages)
    copytree(stand_ins, tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setitem(os.environ, "OPENAI_API_KEY", "none")
    return tmp_path / "clone"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A language model that writes texts, or takes every capitalised word of a text for a PER."""

    def answer(said: str) -> str:
        return (
            write_texts(said) if "Write" in said or "topics" in said else mark_capitals(said).replace("NAME", "PER")
        )

    with ScriptedServer(answer=answer) as running:
        yield running


@pytest.fixture
def names(clone: Path) -> dict[str, Any]:
    """What the Python blocks of a page take for given: `nlp`, `examples` and `docs`."""
    from spacy.training import Example

    nlp = spacy.blank("en")
    docs: list[Doc] = list(DocBin().from_disk(clone / "gold.spacy").get_docs(nlp.vocab))
    return {"spacy": spacy, "docs": docs, "examples": [Example(nlp.make_doc(doc.text), doc) for doc in docs]}


def accept_suggestions(tasks: Path, done: Path) -> None:
    """Write the export of a Label Studio project in which an expert has accepted all suggestions."""
    records = json.loads((tasks / "tasks.json").read_text(encoding="utf8"))
    for number, record in enumerate(records, start=1):
        result = record["predictions"][0]["result"] if record.get("predictions") else []
        record["annotations"] = [{"id": number, "completed_by": 1, "result": result, "was_cancelled": False}]
    done.write_text(json.dumps(records), encoding="utf8")
