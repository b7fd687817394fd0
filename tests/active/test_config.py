"""The config, what it resolves to, and what tells one run from another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confection import ConfigValidationError
from spacy.tokens import DocBin
from spacy.util import load_config, registry
from spacy.vocab import Vocab

from spacy_llama_ner.active import ActiveLearning, Budget
from spacy_llama_ner.active.config import ConfigError, config_fingerprint, read_active_config, read_nonempty_docs
from spacy_llama_ner.active.loop import STOPPING_SETTINGS
from tests.active.samples import CONFIG, make_config, make_gold


def fingerprint_of(overrides: dict[str, Any], **more: Any) -> dict[str, Any]:
    return config_fingerprint(make_config({**overrides, **more}), ignore=STOPPING_SETTINGS)


def test_the_same_settings_are_the_same_run(overrides: dict[str, Any]) -> None:
    assert fingerprint_of(overrides) == fingerprint_of(overrides)


def differing(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    return {name for name in {*first, *second} if first.get(name) != second.get(name)}


def test_settings_count_but_for_those_that_say_when_to_stop(overrides: dict[str, Any]) -> None:
    before = fingerprint_of(overrides)
    assert differing(before, fingerprint_of(overrides, **{"active.total": 999, "active.min_gain": 0.5})) == set()
    assert differing(before, fingerprint_of(overrides, **{"training.dropout": 0.3})) == {"training.dropout"}
    assert differing(before, fingerprint_of(overrides, **{"active.near": 0.5})) == {"active.near"}
    # of another experiment
    assert differing(before, fingerprint_of(overrides, **{"budget.folds": 3})) == set()


def test_what_a_corpus_holds_counts(overrides: dict[str, Any], tmp_path: Path) -> None:
    given = {**overrides, "paths.pool": str(tmp_path / "pool.spacy")}
    found = []
    for size in (30, 31):
        DocBin(docs=make_gold(Vocab(), size)).to_disk(tmp_path / "pool.spacy")
        found.append(fingerprint_of(given))
    assert differing(*found) == {"content of active.pool", "content of paths.pool"}


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
    config = read_active_config(tmp_path / "short.cfg", overrides, block="active")
    assert config.config["active"]["near"] == config.settings.near == 0.8
    assert config.resolve_training()["max_steps"] == 12
    # spaCy's own default
    assert config.resolve_training()["max_epochs"] == 0


def test_optimizers_begin_anew_each_time(overrides: dict[str, Any]) -> None:
    config = make_config(overrides)
    optimizer = config.resolve_block().optimizer
    first = optimizer.learn_rate
    optimizer.step_schedules()
    assert optimizer.learn_rate != first
    assert config.resolve_block().optimizer.learn_rate == first


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("active.per_round", 0, "'per_round': 0"),
        ("active.silver_weight", 1.5, "'silver_weight': 1.5"),
        ("active.near", 0.0, "'near': 0.0"),
        ("paths.silver", None, "nothing to start from"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: dict[str, Any], setting: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _ = make_config({**overrides, setting: value}).settings


@pytest.mark.parametrize(("setting", "value"), [("active.unit", "letters"), ("active.nothing", 1)])
def test_what_there_is_not_is_refused_by_spacy(overrides: dict[str, Any], setting: str, value: Any) -> None:
    with pytest.raises(ConfigValidationError):
        _ = make_config({**overrides, setting: value}).settings


def test_a_corpus_has_to_be_there(overrides: dict[str, Any], tmp_path: Path) -> None:
    config = make_config(overrides)
    with pytest.raises(ConfigError, match="does not exist"):
        read_nonempty_docs(str(tmp_path / "no.spacy"), config.vocab, what="pool")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no doc"):
        read_nonempty_docs(str(tmp_path / "empty"), config.vocab, what="pool")
    (tmp_path / "broken.spacy").write_bytes(b"no DocBin")
    with pytest.raises(ConfigError, match="cannot be read; is it whole"):
        read_nonempty_docs(str(tmp_path / "broken.spacy"), config.vocab, what="pool")
    assert read_nonempty_docs(None, config.vocab, what="silver") == []
    with pytest.raises(ConfigError, match=r"has no block \[active\]"):
        read_active_config(CONFIG.parent / "requests.cfg", {}, block="active")
