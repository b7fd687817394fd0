"""What tells one run from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_llama_ner.active.config import facts_of
from spacy_llama_ner.active.loop import LIMITS
from tests.active.samples import make_gold, make_plan


def facts(overrides: dict[str, Any], **more: Any) -> dict[str, Any]:
    return facts_of(make_plan({**overrides, **more}), free=LIMITS)


def test_the_same_settings_are_the_same_run(overrides: dict[str, Any]) -> None:
    assert facts(overrides) == facts(overrides)


def differing(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    return {name for name in {*first, *second} if first.get(name) != second.get(name)}


def test_settings_count_but_for_those_that_say_when_to_stop(overrides: dict[str, Any]) -> None:
    before = facts(overrides)
    assert differing(before, facts(overrides, **{"active.total": 999, "active.min_gain": 0.5})) == set()
    assert differing(before, facts(overrides, **{"training.dropout": 0.3})) == {"training.dropout"}
    assert differing(before, facts(overrides, **{"active.near": 0.5})) == {"active.near"}
    # of another experiment
    assert differing(before, facts(overrides, **{"budget.folds": 3})) == set()


def test_what_a_corpus_holds_counts(overrides: dict[str, Any], tmp_path: Path) -> None:
    given = {**overrides, "paths.pool": str(tmp_path / "pool.spacy")}
    found = []
    for size in (30, 31):
        DocBin(docs=make_gold(Vocab(), size)).to_disk(tmp_path / "pool.spacy")
        found.append(facts(given))
    assert differing(*found) == {"content of active.pool", "content of paths.pool"}
