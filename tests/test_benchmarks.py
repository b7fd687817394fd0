"""The benchmarks run; what they measure is not tested."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from thinc.api import Config

from benchmarks import __main__ as benchmarks
from benchmarks import active, adapters, annotate, generation, partial
from benchmarks.corpus import made_up
from benchmarks.setting import make_pipeline
from benchmarks.timing import in_turns
from spacy_llama_ner.encoder import architectures as architecture
from tests.llm.bases import build_chat_llama


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
    assert text.count("\n| classification, ") == 3 and text.count("\n| generation, ") == 8
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


@pytest.mark.parametrize("with_silver", [False, True])
def test_partial_labels_are_compared(with_silver: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config().from_disk(Path("configs/requests.cfg"), interpolate=False)
    cnn = {"width": 8, "depth": 1, "embed_size": 50, "window_size": 1, "maxout_pieces": 2, "subword_features": True}
    architecture = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, **cnn}
    config["components"]["llama_ner"]["model"]["tok2vec"] = architecture
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}
    config.to_disk(tmp_path / "tiny.cfg")
    vocab, words = Vocab(), ["Ada", "met", "Bo", "in", "Rome"]
    tags = {"gold": ["B-PER", "O", "B-PER", "O", "B-LOC"], "silver": ["B-PER", "O", "O", "O", "B-PER"]}
    for name, ents in tags.items():
        DocBin(docs=[Doc(vocab, words=words, ents=ents)] * 4).to_disk(tmp_path / f"{name}.spacy")
    gold, output = str(tmp_path / "gold.spacy"), tmp_path / "partial.md"
    options = [str(tmp_path / "tiny.cfg"), "--gold", gold, "--dev", gold, "--test", gold, "--output", str(output)]
    options += ["--silver", str(tmp_path / "silver.spacy")] if with_silver else ["--hide", "0.4"]
    options += ["--training.optimizer.learn_rate.total_steps", "2", "--training.eval_frequency", "2"]
    options += ["--training.optimizer.learn_rate.warmup_steps", "0"]
    monkeypatch.setattr(sys, "argv", ["benchmarks.partial", *options])
    partial.main()
    text = output.read_text(encoding="utf8")
    assert ("| silver as it is |" in text) == with_silver
    for way in ("all known (gold)", *partial.WAYS):
        assert f"| {way} |" in text


def test_headlines_are_read_in_title_case(monkeypatch: pytest.MonkeyPatch) -> None:
    # the module replaces this one as soon as it is imported
    monkeypatch.setattr(architecture, "align", architecture.align)
    title_case = import_module("benchmarks.title_case")
    words = ["SOCCER", "-", "JAPAN", "GET", "LUCKY", "1", "WIN", "."]
    headline = Doc(Vocab(), words=words)
    assert title_case.read(headline).text == "Soccer - Japan Get Lucky 1 Win . "
    sentence = Doc(Vocab(), words=["The", "UN", "and", "NATO", "met", "."])
    assert title_case.read(sentence).text == sentence.text


def write_run(folder: Path, *rounds: tuple[int, float]) -> str:
    """What `active-learn` leaves behind: words of gold and F1 of each round, and the seconds that it took."""
    lines = [{"gold": {"words": words}, "dev": {"ents_f": f}} for words, f in rounds]
    folder.mkdir()
    srsly.write_jsonl(folder / "history.jsonl", lines)
    for number in range(len(rounds)):
        (folder / "rounds" / f"{number:03}").mkdir(parents=True)
        seconds = {"train": 100.0, "evaluate": 10.0} | ({"choose": 30.0 * number} if number else {})
        srsly.write_json(folder / "rounds" / f"{number:03}" / "seconds.json", seconds)
    return str(folder)


def test_runs_of_active_learning_are_averaged_round_by_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run(tmp_path / "mnlp-0", (0, 0.5), (990, 0.7), (1990, 0.8)),
        write_run(tmp_path / "mnlp-1", (0, 0.5), (1010, 0.8)),
        write_run(tmp_path / "random-0", (0, 0.5), (1000, 0.7), (2000, 0.75)),
    ]
    chart = tmp_path / "chart.svg"
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs, "--full", "0.9", "--chart", str(chart)])
    active.main()
    told = capsys.readouterr().out
    assert "| 1 | 1,000 | 75.00 ± 7.07 | 70.00 ± 0.00 |" in told
    # one of the seeds is not so far yet
    assert "| 2 | 2,000 |  | 75.00 ± 0.00 |" in told
    assert "Medians of 5 rounds." in told and "| choose | 30 |" in told
    assert "all training data" in chart.read_text(encoding="utf8")


def test_a_table_has_all_methods_and_a_chart_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("mnlp", "margin", "bald", "longest", "random")
    runs = [write_run(tmp_path / f"{name}-0", (0, 0.5), (1000, 0.7)) for name in names]
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs])
    active.main()
    assert "| round | words of gold | mnlp | margin | bald | longest | random |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["benchmarks.active", *runs, "--chart", str(tmp_path / "chart.svg")])
    with pytest.raises(SystemExit):
        active.main()
    assert "5 methods are too many for one chart" in capsys.readouterr().err
