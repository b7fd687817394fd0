"""The loop asks people: its texts appear in Label Studio or in a folder, and it goes on with what they answer."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_llama_ner.active.config import read_active_config
from spacy_llama_ner.active.loop import SPENT, Loop
from spacy_llama_ner.active.rounds import Round
from spacy_llama_ner.data.docs import words_of
from spacy_llama_ner.experts import PendingAnnotationsError
from tests.active.samples import CONFIG
from tests.experts.expert import Expert


def label_all(expert: Expert, gold: dict[str, list[tuple[str, str]]], done: threading.Event) -> None:
    """Label what appears in the project until the loop is done."""
    while not done.wait(0.2):
        for text, task in expert.tasks("loop").items():
            if not task["annotations"]:
                expert.label(task, *gold[text])


def read_gold(overrides: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    docs = DocBin().from_disk(overrides["paths.gold"]).get_docs(Vocab())
    return {doc.text: [(ent.text, ent.label_) for ent in doc.ents] for doc in docs}


def make_loop(tmp_path: Path, overrides: dict[str, Any], **oracle: Any) -> Loop:
    """A loop with two rounds that asks this oracle."""
    config = Config().from_disk(CONFIG, interpolate=False)
    config["active"]["oracle"] = {"labels": ["PER", "LOC"], **oracle}
    config.to_disk(tmp_path / "people.cfg")
    limits = {"paths.gold": None, "active.total": 60}
    return Loop(
        read_active_config(tmp_path / "people.cfg", {**overrides, **limits}, block="active"), tmp_path / "run"
    )


def check(loop: Loop, rounds: list[Round], gold: dict[str, list[tuple[str, str]]]) -> None:
    assert loop.reason == SPENT
    assert len(rounds) == 2
    assert loop.gold
    for doc in loop.gold:
        assert sorted((ent.text, ent.label_) for ent in doc.ents) == sorted(gold[doc.text]), words_of(doc)


def test_the_loop_runs_through_label_studio(overrides: dict[str, Any], tmp_path: Path, expert: Expert) -> None:
    gold, done = read_gold(overrides), threading.Event()
    oracle = {"@misc": "spacy_llama_ner.LabelStudioOracle.v1", "url": expert.url, "project": "loop"}
    loop = make_loop(tmp_path, overrides, **oracle, poll=0.2, timeout=120.0)
    people = threading.Thread(target=label_all, args=(expert, gold, done))
    people.start()
    try:
        rounds = list(loop.rounds())
    finally:
        done.set()
        people.join(timeout=60)
    check(loop, rounds, gold)


def test_the_loop_waits_for_files_and_goes_on_with_them(overrides: dict[str, Any], tmp_path: Path) -> None:
    gold = read_gold(overrides)
    oracle = {"@misc": "spacy_llama_ner.FileOracle.v1", "folder": str(tmp_path / "tasks"), "format": "doccano"}
    loop = make_loop(tmp_path, overrides, **oracle)
    with pytest.raises(PendingAnnotationsError, match="are waiting in"):
        list(loop.rounds())
    assert len(loop.history) == 1
    (folder,) = (tmp_path / "tasks").iterdir()
    lines = (folder / "tasks.jsonl").read_text("utf8").splitlines()
    records = [as_labelled(json.loads(line), gold) for line in lines]
    (folder / "done" / "finished.json").write_text(json.dumps(records), "utf8")
    loop = make_loop(tmp_path, overrides, **oracle)
    check(loop, list(loop.rounds()), gold)


def as_labelled(record: dict[str, Any], gold: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """A record of doccano with these pieces of its text marked."""
    text = record["text"]
    return {**record, "label": [[text.index(it), text.index(it) + len(it), name] for it, name in gold[text]]}
