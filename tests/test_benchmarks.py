"""The benchmarks run; what they measure is not tested."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from spacy.tokens import DocBin

from benchmarks import __main__ as benchmarks
from benchmarks import adapters, annotate
from benchmarks.corpus import made_up
from benchmarks.setting import make_pipeline
from benchmarks.timing import in_turns


def test_everything_is_measured_and_written_down(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, pipeline, gold = tmp_path / "RESULTS.md", tmp_path / "pipeline", tmp_path / "gold.spacy"
    nlp = make_pipeline(str(tiny_llama))
    nlp.to_disk(pipeline)
    DocBin(docs=nlp.pipe(["Peter called Anna .", "London"])).to_disk(gold)
    options = ["--base", str(tiny_llama), "--sentences", "40", "--rounds", "1", "--docs", "30", "--thin-docs", "30"]
    options += ["--characters", "2000", "--output", str(output), "--pipeline", str(pipeline), "--gold", str(gold)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options])
    benchmarks.main()
    text = output.read_text(encoding="utf8")
    for title in ("Prediction", "Stages", "Operations", "Training", "Start, latency, memory", "Growth", "Levers"):
        assert f"## {title}\n" in text
    assert "| nlp.pipe |" in text and "Trainer + peft" in text


def test_adapters_are_measured(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "adapters.md"
    pipeline, gold = tmp_path / "pipeline", tmp_path / "gold.spacy"
    nlp = make_pipeline(str(tiny_llama))
    nlp.to_disk(pipeline)
    DocBin(docs=nlp.pipe(["Peter called Anna .", "London"])).to_disk(gold)
    options = ["--base", str(tiny_llama), "--adapters", "2", "--sentences", "1", "3", "--rounds", "1"]
    options += ["--pipeline", str(pipeline), "--gold", str(gold)]
    monkeypatch.setattr(sys, "argv", ["adapters", *options, "--output", str(output)])
    adapters.main()
    text = output.read_text(encoding="utf8")
    assert "## One pass for several adapters\n" in text and "| the upper half | 2 | 3 |" in text
    assert "## One recogniser more\n" in text and "with 2 on the same base" in text
    assert "## Quantised bases\n" in text and "| torchao-int8 |" in text


def test_labelling_is_measured_with_and_without_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "annotate.md"
    monkeypatch.setattr(sys, "argv", ["annotate", "--texts", "40", "--output", str(output)])
    annotate.main()
    text = output.read_text(encoding="utf8")
    assert "40 requests, 16 at a time; 0 replies from the log." in text
    assert "0 requests, 16 at a time; 40 replies from the log." in text
    assert text.count("| 40 |") == 2


def test_things_are_timed_in_turns_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    timings = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert [len(timing.seconds) for timing in timings.values()] == [2, 2]


def test_made_up_sentences_are_the_same_every_time() -> None:
    assert made_up(20) == made_up(20)
    assert all(made_up(100))
