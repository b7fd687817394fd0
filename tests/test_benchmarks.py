"""The benchmarks run; what they measure is not tested."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.corpus import made_up
from benchmarks.timing import in_turns


def test_everything_is_measured_and_written_down(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "RESULTS.md"
    options = ["--base", str(tiny_llama), "--sentences", "40", "--rounds", "1", "--docs", "30"]
    options += ["--characters", "2000", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options])
    benchmarks.main()
    text = output.read_text(encoding="utf8")
    for title in ("## Prediction", "## Training", "## Start, latency, memory", "## Growth"):
        assert title in text
    assert "| nlp.pipe |" in text and "Trainer + peft" in text


def test_things_are_timed_in_turns_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    timings = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert [len(timing.seconds) for timing in timings.values()] == [2, 2]


def test_made_up_sentences_are_the_same_every_time() -> None:
    assert made_up(20) == made_up(20)
    assert all(made_up(100))
