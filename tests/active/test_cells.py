"""The budget experiment, training by training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import srsly

from spacy_llama_ner.active import cells
from spacy_llama_ner.active.cells import measure_cells, read_folds
from spacy_llama_ner.active.plan import PlanError

from .samples import make_plan


@pytest.fixture
def plan(overrides: dict[str, Any]) -> Any:
    return make_plan(overrides, block="budget")


def test_each_training_has_a_file_and_is_done_once(
    plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(measure_cells(plan, read_folds(plan), tmp_path))
    assert [cell.name for cell, _ in found[:4]] == ["mixed-0-0", "mixed-20-0", "mixed-50-0", "gold-100-0"]
    assert {path.stem for path in (tmp_path / "cells").iterdir()} == {cell.name for cell, _ in found}
    # of 20 sentences with both labels, 10 are left out
    assert [result["sentences"] for _, result in found[:4]] == [0, 2, 5, 10]
    assert all(0 <= result["ents_f"] <= 1 and result["words"] >= result["sentences"] for _, result in found)
    lost = tmp_path / "cells" / "mixed-50-1.json"
    before = lost.read_bytes()
    lost.unlink()
    trained = []
    whole = cells._measure
    monkeypatch.setattr(cells, "_measure", lambda *args: (trained.append(args[2].name), whole(*args))[1])
    assert list(measure_cells(plan, read_folds(plan), tmp_path)) == found
    assert trained == ["mixed-50-1"]
    assert lost.read_bytes() == before


def test_a_share_of_no_sentence_is_refused(overrides: dict[str, Any], tmp_path: Path) -> None:
    plan = make_plan({**overrides, "budget.gold_shares": [0.01]}, block="budget")
    results = measure_cells(plan, read_folds(plan), tmp_path)
    with pytest.raises(PlanError, match=r"0\.01 of 10 sentences is none"):
        list(results)
    assert srsly.read_json(tmp_path / "cells" / "mixed-0-0.json")["share"] == 0
