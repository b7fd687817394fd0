"""The loop, from round to round."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
import spacy
import srsly
from confection import ConfigValidationError
from spacy.util import load_config, registry

from spacy_llama_ner.active.budget import Budget, BudgetRun
from spacy_llama_ner.active.config import ConfigError, read_active_config, read_corpus
from spacy_llama_ner.active.loop import CONVERGED, NOTHING_LEFT, SPENT, ActiveLearning, Loop
from spacy_llama_ner.active.oracle import GoldOracle
from spacy_llama_ner.active.rounds import Round, find_rounds, publish
from spacy_llama_ner.data.docs import words_of
from tests.active.samples import CONFIG, make_plan


def run(overrides: dict[str, Any], output: Path) -> Loop:
    loop = Loop(make_plan(overrides), output)
    rounds: list[Round] = []
    for each in loop.rounds():
        rounds.append(each)
        publish(output, rounds, gold=loop.gold)
    return loop


def contents(output: Path) -> dict[str, bytes]:
    """All files but those about time, and what killed processes left."""
    files = [path for path in output.rglob("*") if path.is_file() and path.name != "seconds.json"]
    named = {str(path.relative_to(output)): path for path in files}
    return {name: path.read_bytes() for name, path in named.items() if "/." not in f"/{name}"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `finished`, which stays as it is."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def finished(overrides: dict[str, Any], whole: Path) -> Loop:
    return run(overrides, whole)


def test_buys_by_the_word_and_nothing_twice(finished: Loop) -> None:
    assert finished.reason == SPENT
    words = [line["gold"]["words"] for line in finished.history]
    assert words[0] == 0
    assert 50 < words[1] <= 60 and 110 < words[2] <= 120
    assert len({words_of(doc) for doc in finished.gold}) == len(finished.gold)
    assert sum(map(len, finished.gold)) == words[-1]


def test_leaves_a_history_the_gold_labels_and_the_best_pipeline(finished: Loop, whole: Path) -> None:
    output = whole
    history = list(srsly.read_jsonl(output / "history.jsonl"))
    assert history == finished.history
    assert [line["round"] for line in history] == [0, 1, 2]
    assert history[0]["silver"] == {"sentences": 20, "dropped": 0, "masked_words": 0}
    scores = [line["dev"]["ents_f"] for line in history]
    best = srsly.read_json(output / "best.json")["round"]
    assert scores[best] == max(scores)
    assert contents(output / "model-best") == contents(output / "rounds" / f"{best:03}" / "pipeline")
    nlp = spacy.load(output / "model-best")
    assert set(nlp.get_pipe("llama_ner").labels) == {"PER", "LOC"}  # type: ignore[attr-defined]
    asked = Round(output / "rounds" / "001", 1).asked(nlp.vocab)
    # with what the pipeline suggests
    assert asked and all(doc.has_annotation("ENT_IOB") and "llama_ner" in doc.spans for doc in asked)
    assert max(path.stat().st_size for path in output.rglob("*")) < 200_000


# in the order in which a round writes them
WRITTEN = ("scores.jsonl", "asked.spacy", "answers.spacy", "silver.json", "pipeline", "result.json")


@pytest.mark.parametrize("last", [None, "scores.jsonl", "asked.spacy", "answers.spacy", "silver.json", "pipeline"])
def test_stopped_anywhere_it_comes_to_the_same(
    finished: Loop, overrides: dict[str, Any], whole: Path, tmp_path: Path, last: str | None
) -> None:
    output = tmp_path / "cut"
    copytree(whole, output)
    rmtree(output / "rounds" / "002")
    missing = WRITTEN if last is None else WRITTEN[WRITTEN.index(last) + 1 :]
    for path in (output / "rounds" / "001" / name for name in missing):
        rmtree(path) if path.is_dir() else path.unlink()
    run(overrides, output)
    assert contents(output) == contents(whole)


def test_what_is_finished_is_not_done_again(
    finished: Loop, overrides: dict[str, Any], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(whole)
    monkeypatch.setattr(GoldOracle, "ask", None)
    monkeypatch.setattr(Loop, "_train", None)
    again = run(overrides, whole)
    assert (again.reason, again.history) == (SPENT, finished.history)
    assert contents(whole) == before


def test_with_a_greater_budget_it_goes_on(
    finished: Loop, overrides: dict[str, Any], whole: Path, tmp_path: Path
) -> None:
    copytree(whole, tmp_path / "out")
    further = run({**overrides, "active.total": 180}, tmp_path / "out")
    assert further.history[:3] == finished.history
    assert len(further.history) == 4


def test_a_round_that_is_worse_does_not_replace_the_best(
    overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.9, 0.2])
    monkeypatch.setattr("spacy_llama_ner.active.loop.judge", lambda nlp, examples: {"ents_f": next(scores)})
    run(overrides, tmp_path / "out")
    assert srsly.read_json(tmp_path / "out" / "best.json") == {"round": 1, "ents_f": 0.9}
    first = tmp_path / "out" / "rounds" / "001" / "pipeline"
    assert contents(tmp_path / "out" / "model-best") == contents(first)


def test_it_is_over_when_nothing_is_gained(
    overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spacy_llama_ner.active.loop.judge", lambda nlp, examples: {"ents_f": 0.5})
    limits = {"active.total": 10_000, "active.min_rounds": 2, "active.patience": 1}
    loop = run({**overrides, **limits}, tmp_path / "out")
    assert (loop.reason, len(loop.history)) == (CONVERGED, 3)


def test_without_silver_it_starts_from_labels_drawn_at_random(overrides: dict[str, Any], tmp_path: Path) -> None:
    given = {**overrides, "paths.silver": None, "active.unit": "sentences", "active.initial": 12}
    given |= {"active.per_round": 5, "active.total": 17}
    loop = run({**given, "active.score.@misc": "spacy_llama_ner.random.v1"}, tmp_path / "out")
    assert [line["gold"]["sentences"] for line in loop.history] == [12, 17]
    assert loop.history[0]["silver"]["sentences"] == 0


def test_gold_replaces_silver_and_doubted_silver_is_left_out(overrides: dict[str, Any], tmp_path: Path) -> None:
    silver = {**overrides, "paths.pool": overrides["paths.silver"], "active.disagreement": "drop"}
    loop = run(silver, tmp_path / "out")
    assert not set(map(words_of, loop._silver)).isdisjoint(map(words_of, loop.gold))
    for line in loop.history[1:]:
        kept = line["silver"]
        assert kept["sentences"] + kept["dropped"] == 20 - line["gold"]["sentences"]
    assert loop.history[1]["silver"]["dropped"] > 0


@pytest.mark.parametrize("disagreement", ["mask", "keep"])
def test_silver_waits_for_a_pipeline_that_can_doubt_it(
    overrides: dict[str, Any], tmp_path: Path, disagreement: str
) -> None:
    given = {**overrides, "active.initial": 60, "active.total": 120, "active.disagreement": disagreement}
    first, second = run(given, tmp_path / "out").history
    known = first["silver"]["sentences"] + first["silver"]["dropped"]
    assert first["silver"]["sentences"] == (known if disagreement == "keep" else 0)
    assert 0 < second["silver"]["sentences"] <= known <= 20
    assert (second["silver"]["masked_words"] > 0) == (disagreement == "mask")


def test_it_is_over_when_the_pool_is_empty(overrides: dict[str, Any], tmp_path: Path) -> None:
    given = {**overrides, "paths.pool": overrides["paths.silver"], "active.per_round": 500, "active.total": 10_000}
    loop = run(given, tmp_path / "out")
    assert loop.reason == NOTHING_LEFT
    assert len(loop.history) == 2
    assert not (tmp_path / "out" / "rounds" / "002" / "asked.spacy").exists()


def test_a_start_that_buys_nothing_is_refused(overrides: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Raise active\.initial"):
        run({**overrides, "active.initial": 1}, tmp_path / "out")


def test_a_base_without_its_vectors_is_told_before_anybody_is_asked(
    overrides: dict[str, Any], tmp_path: Path
) -> None:
    tok2vec = "components.llama_ner.model.tok2vec"
    frozen = {f"{tok2vec}.lora": None, f"{tok2vec}.encoded": str(tmp_path / "missing.safetensors")}
    given = {name: value for name, value in overrides.items() if "lora" not in name}
    with pytest.raises(ValueError, match="cannot be read as a file of vectors"):
        Loop(make_plan({**given, **frozen}), tmp_path / "out")


def test_rounds_are_numbered() -> None:
    rounds = find_rounds(Path("out"))
    assert [next(rounds).folder.name for _ in range(3)] == ["000", "001", "002"]


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
    plan = read_active_config(tmp_path / "short.cfg", overrides, block="active")
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
    assert BudgetRun("mixed", 0.125, 3).name == "mixed-12.5-3"


def test_a_corpus_has_to_be_there(overrides: dict[str, Any], tmp_path: Path) -> None:
    plan = make_plan(overrides)
    with pytest.raises(ConfigError, match="does not exist"):
        read_corpus(str(tmp_path / "no.spacy"), plan.vocab, what="pool")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no doc"):
        read_corpus(str(tmp_path / "empty"), plan.vocab, what="pool")
    (tmp_path / "broken.spacy").write_bytes(b"no DocBin")
    with pytest.raises(ConfigError, match="cannot be read; is it whole"):
        read_corpus(str(tmp_path / "broken.spacy"), plan.vocab, what="pool")
    assert read_corpus(None, plan.vocab, what="silver") == []
    with pytest.raises(ConfigError, match=r"has no block \[active\]"):
        read_active_config(CONFIG.parent / "silver.cfg", {}, block="active")
