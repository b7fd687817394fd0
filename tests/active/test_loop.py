"""The loop, from round to round."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
import spacy
import srsly

from spacy_llama_ner.active import GoldOracle
from spacy_llama_ner.active import loop as loop_module
from spacy_llama_ner.active.config import ConfigError
from spacy_llama_ner.active.loop import CONVERGED, NOTHING_LEFT, SPENT, Loop
from spacy_llama_ner.active.rounds import Round, write_outputs
from spacy_llama_ner.data.docs import words_of
from tests.active.samples import make_config


def run(overrides: dict[str, Any], output: Path) -> Loop:
    loop = Loop(make_config(overrides), output)
    rounds: list[Round] = []
    for each in loop.rounds():
        rounds.append(each)
        write_outputs(output, rounds, gold=loop.gold)
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
    asked = Round(output / "rounds" / "001", 1).read_questions(nlp.vocab)
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
    monkeypatch.setattr(
        "spacy_llama_ner.active.loop.evaluate_pipeline", lambda nlp, examples: {"ents_f": next(scores)}
    )
    run(overrides, tmp_path / "out")
    assert srsly.read_json(tmp_path / "out" / "best.json") == {"round": 1, "ents_f": 0.9}
    first = tmp_path / "out" / "rounds" / "001" / "pipeline"
    assert contents(tmp_path / "out" / "model-best") == contents(first)


def test_it_is_over_when_nothing_is_gained(
    overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "evaluate_pipeline", lambda nlp, examples: {"ents_f": 0.5})
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
        Loop(make_config({**given, **frozen}), tmp_path / "out")
