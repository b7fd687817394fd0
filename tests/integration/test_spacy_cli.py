"""spaCy's own commands, with configs and pipelines of `llama_ner`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.cli.init_pipeline import init_labels_cli
from spacy.cli.train import train
from spacy.language import Language
from spacy.util import load_config

from tests.pipeline.samples import CORPUS, ents, write_corpus

TRAINING = """
[paths]
train = "{corpus}"
dev = "{corpus}"

[nlp]
lang = "en"
pipeline = ["llama_ner"]

[components]

[components.llama_ner]
factory = "llama_ner"

[components.llama_ner.model]

[components.llama_ner.model.tok2vec]
@architectures = "spacy_llama_ner.LlamaEncoder.v1"
base = "{base}"
dtype = "float32"
window = 64
stride = 48

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${{paths.train}}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${{paths.dev}}

[training]
max_steps = 200
eval_frequency = 5
patience = 15
dropout = 0.1

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.01
"""


@pytest.fixture
def config(tiny_llama: Path, blank: Language, tmp_path: Path) -> Path:
    """A config that a user may have written, filled in by spaCy."""
    corpus = write_corpus(tmp_path / "corpus.spacy", blank)
    sparse = tmp_path / "sparse.cfg"
    sparse.write_text(TRAINING.format(corpus=corpus, base=tiny_llama), encoding="utf8")
    filled = tmp_path / "config.cfg"
    fill_config(filled, sparse)
    return filled


def test_fill_config_writes_every_default(config: Path) -> None:
    component = load_config(config)["components"]["llama_ner"]
    assert component["spans_key"] == "llama_ner"
    assert component["model"]["head"]["@architectures"] == "spacy_llama_ner.LinearHead.v1"
    assert component["model"]["loss"]["crf"] == 1.0
    assert component["model"]["tok2vec"]["pooling"] == "first"


def test_debug_config_finds_nothing_wrong(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    debug_config(config, show_vars=True)
    assert "Config is valid" in capsys.readouterr().out


def test_debug_config_names_a_setting_that_is_wrong(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text(encoding="utf8").replace("label_smoothing", "smoothing"), encoding="utf8")
    with pytest.raises(SystemExit):
        debug_config(config)
    assert "smoothing" in capsys.readouterr().out


def test_init_labels_writes_what_training_reads(config: Path, tmp_path: Path) -> None:
    init_labels(config, tmp_path / "labels")
    path = tmp_path / "labels" / "llama_ner.json"
    assert srsly.read_json(path) == ["DATE", "NAME"]
    srsly.write_json(path, ["TIME", "DATE", "NAME"])
    settings = load_config(config)
    reader = {"@readers": "spacy.read_labels.v1", "path": str(path), "require": True}
    settings["initialize"]["components"]["llama_ner"] = {"labels": reader}
    settings.to_disk(config)
    train(config, tmp_path / "out", overrides={"training.max_steps": 1})
    assert spacy.load(tmp_path / "out" / "model-last").get_pipe("llama_ner").labels == ("TIME", "DATE", "NAME")


def init_labels(config: Path, output: Path) -> None:
    class Context:
        args: list[str] = []  # noqa: RUF012

    init_labels_cli(Context(), config, output, code_path=None, verbose=False, use_gpu=-1)


def test_train_stops_when_patience_is_over(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(config, tmp_path / "out")
    best = spacy.load(tmp_path / "out" / "model-best")
    assert [ents(best(text)) for text, _ in CORPUS] == [pieces for _, pieces in CORPUS]
    assert best.meta["performance"]["ents_f"] == 1.0
    assert best.meta["performance"]["ents_per_type"]["NAME"]["f"] == 1.0
    steps = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.strip()[:1].isdigit()]
    # perfect scores cannot be beaten, so that it ends long before max_steps
    assert int(steps[-1]) < 150


def test_benchmark_speed(trained_folder: Path, blank: Language, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus.spacy", blank)
    command = ["spacy", "benchmark", "speed", str(trained_folder), str(corpus), "--batches", "30", "--warmup", "1"]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        encoding="utf8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Mean:" in done.stdout and "words/s" in done.stdout
