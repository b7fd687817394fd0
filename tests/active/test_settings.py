"""`[active]` and `[budget]`, as the config of the project has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confection import ConfigValidationError
from spacy.util import load_config, registry

from spacy_llama_ner.active.cells import Budget, Cell
from spacy_llama_ner.active.plan import PlanError, read_corpus, read_plan
from spacy_llama_ner.active.settings import ActiveLearning

from .samples import CONFIG, make_plan


def test_the_projects_config_says_what_the_defaults_are(tmp_path: Path) -> None:
    config = load_config(CONFIG, overrides={"paths.gold": str(tmp_path)}, interpolate=True)
    # a number of words, which the default, for words and sentences alike, cannot be
    own = {"initial": 4000}
    for block, kind in (("active", ActiveLearning), ("budget", Budget)):
        settings = registry.resolve({block: config[block]})[block]
        assert isinstance(settings, kind)
        for name, field in kind.__dataclass_fields__.items():
            given = config[block].get(name, field.default)
            assert name in config[block], f"{block}.{name} is not in the config"
            if name not in ("silver", "gold", "pool") and isinstance(field.default, int | float | str):
                assert given == own.get(name, field.default)


def test_a_config_is_filled(overrides: dict[str, Any], tmp_path: Path) -> None:
    lines = [line for line in CONFIG.read_text(encoding="utf8").splitlines() if not line.startswith("near =")]
    (tmp_path / "short.cfg").write_text("\n".join(lines), encoding="utf8")
    plan = read_plan(tmp_path / "short.cfg", overrides, block="active")
    assert plan.config["active"]["near"] == plan.settings.near == 0.8
    assert plan.fresh_training()["max_steps"] == 12
    # spaCy's own default
    assert plan.fresh_training()["max_epochs"] == 0


def test_optimizers_begin_anew_each_time(overrides: dict[str, Any]) -> None:
    plan = make_plan(overrides)
    optimizer = plan.fresh_settings().optimizer
    first = optimizer.learn_rate
    optimizer.step_schedules()
    assert optimizer.learn_rate != first
    assert plan.fresh_settings().optimizer.learn_rate == first


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("active.per_round", 0, "'per_round': 0"),
        ("active.silver_weight", 1.5, "'silver_weight': 1.5"),
        ("active.near", 0.0, "'near': 0.0"),
        ("paths.silver", None, "nothing to start from"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: dict[str, Any], setting: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _ = make_plan({**overrides, setting: value}).settings


@pytest.mark.parametrize(("setting", "value"), [("active.unit", "letters"), ("active.nothing", 1)])
def test_what_there_is_not_is_refused_by_spacy(overrides: dict[str, Any], setting: str, value: Any) -> None:
    with pytest.raises(ConfigValidationError):
        _ = make_plan({**overrides, setting: value}).settings


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"shares": [0.0]}, {"gold_shares": [2.0]}, {"silver_weight": 0.0}])
def test_a_budget_needs_folds_and_shares(wrong: dict[str, Any]) -> None:
    given = {"silver": "a", "gold": "b", "shares": [0.1], "gold_shares": [], **wrong}
    with pytest.raises(ValueError, match="Expected are 2 folds or more"):
        Budget(**given)


def test_a_budget_is_measured_fold_by_fold_with_both_ends() -> None:
    budget = Budget("a", "b", shares=[0.2, 0.1], gold_shares=[0.1], folds=2)
    first = [(cell.line, cell.share) for cell in budget.cells() if cell.fold == 0]
    assert first == [("mixed", 0.0), ("mixed", 0.1), ("mixed", 0.2), ("gold", 0.1), ("gold", 1.0)]
    assert [cell.fold for cell in budget.cells()] == [0] * 5 + [1] * 5
    assert Cell("mixed", 0.125, 3).name == "mixed-12.5-3"


def test_a_corpus_has_to_be_there(overrides: dict[str, Any], tmp_path: Path) -> None:
    plan = make_plan(overrides)
    with pytest.raises(PlanError, match="does not exist"):
        read_corpus(str(tmp_path / "no.spacy"), plan.vocab, what="pool")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlanError, match="holds no doc"):
        read_corpus(str(tmp_path / "empty"), plan.vocab, what="pool")
    (tmp_path / "broken.spacy").write_bytes(b"no DocBin")
    with pytest.raises(PlanError, match="cannot be read; is it whole"):
        read_corpus(str(tmp_path / "broken.spacy"), plan.vocab, what="pool")
    assert read_corpus(None, plan.vocab, what="silver") == []
    with pytest.raises(PlanError, match=r"has no block \[active\]"):
        read_plan(CONFIG.parent / "silver.cfg", {}, block="active")
