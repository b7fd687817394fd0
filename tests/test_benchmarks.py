"""The benchmarks run; what they measure is not tested."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin, Span

from benchmarks import __main__ as benchmarks
from benchmarks import adapters, annotate, generation
from benchmarks.corpus import made_up
from benchmarks.setting import make_pipeline
from benchmarks.timing import in_turns

from .annotate.bases import build_chat_llama


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


def test_classification_is_compared_with_generation_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = build_chat_llama(tmp_path / "base", max_position_embeddings=2048)
    nlp = spacy.blank("en")
    for split in ("train", "test"):
        doc = nlp("ask Mia on Friday")
        doc.ents = [Span(doc, 1, 2, label="NAME"), Span(doc, 3, 4, label="DATE")]
        (tmp_path / "tiny").mkdir(exist_ok=True)
        DocBin(docs=[doc, nlp("no one")]).to_disk(tmp_path / "tiny" / f"{split}.spacy")
    output = tmp_path / "output"
    options = ["--base", str(base), "--data", str(tmp_path / "tiny"), "--steps", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["generation", *options])
    generation.main()
    text = (output / "generation.md").read_text(encoding="utf8")
    assert text.count("\n| classification, ") == 2 and text.count("\n| generation, ") == 8
    assert "| generation, BIO lines, tuned, constrained |" in text and " 0 of 2 |" in text
    assert (output / "generation.svg").read_text(encoding="utf8").rstrip().endswith("</svg>")
    monkeypatch.setattr(generation, "measure", pytest.fail)
    generation.main()
    assert (output / "generation.md").read_text(encoding="utf8") == text


def test_things_are_timed_in_turns_after_a_round_that_does_not_count() -> None:
    order: list[str] = []
    timings = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert [len(timing.seconds) for timing in timings.values()] == [2, 2]


def test_made_up_sentences_are_the_same_every_time() -> None:
    assert made_up(20) == made_up(20)
    assert all(made_up(100))
