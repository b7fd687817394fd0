"""The loop asks people: its texts appear in Label Studio, and it goes on with what they answer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from thinc.api import Config

from spacy_llama_ner.active.loop import SPENT, Loop
from spacy_llama_ner.active.plan import read_plan
from spacy_llama_ner.data.matching import words_of
from spacy_llama_ner.experts.studio import TOKEN_VARIABLE
from tests.experts.expert import Expert
from tests.experts.stand_in import TOKEN, StandIn

from .samples import CONFIG


def label_all(expert: Expert, gold: dict[str, list[tuple[str, str]]], done: threading.Event) -> None:
    """Label what appears in the project until the loop is done."""
    while not done.wait(0.2):
        for text, task in expert.tasks("loop").items():
            if not task["annotations"]:
                expert.label(task, *gold[text])


def test_the_loop_runs_through_label_studio(
    overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    gold = {
        doc.text: [(ent.text, ent.label_) for ent in doc.ents]
        for doc in DocBin().from_disk(overrides["paths.gold"]).get_docs(Vocab())
    }
    done = threading.Event()
    with StandIn() as server:
        config = Config().from_disk(CONFIG, interpolate=False)
        config["active"]["oracle"] = {
            "@misc": "spacy_llama_ner.LabelStudioOracle.v1",
            "url": server.url,
            "labels": ["PER", "LOC"],
            "project": "loop",
            "poll": 0.2,
            "timeout": 120.0,
        }
        config.to_disk(tmp_path / "people.cfg")
        people = threading.Thread(target=label_all, args=(Expert(server.url, TOKEN), gold, done))
        people.start()
        try:
            limits = {"paths.gold": None, "active.total": 60}
            loop = Loop(read_plan(tmp_path / "people.cfg", {**overrides, **limits}, block="active"), tmp_path / "run")
            rounds = list(loop.rounds())
        finally:
            done.set()
            people.join(timeout=60)
    assert loop.reason == SPENT
    assert len(rounds) == 2
    assert loop.gold
    for doc in loop.gold:
        assert sorted((ent.text, ent.label_) for ent in doc.ents) == sorted(gold[doc.text]), words_of(doc)
