"""`torchrun -m spacy_llama_ner.training.train`: two processes train as one with batches of twice the size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.cli.init_config import fill_config
from spacy.tokens import DocBin

from tests.pipeline.samples import annotated

# sentences of as many words each, so that a mean of means is the mean
SENTENCES = [
    ("Ask Mia Brook about boats Friday", [("Mia Brook", "NAME"), ("Friday", "DATE")]),
    ("Omar needs a lift on Monday", [("Omar", "NAME"), ("Monday", "DATE")]),
    ("the printer needs more paper again", []),
    ("On Friday Mia Brook met Omar", [("Friday", "DATE"), ("Mia Brook", "NAME"), ("Omar", "NAME")]),
    ("please water the plants right now", []),
    ("Omar and Mia left last Friday", [("Omar", "NAME"), ("Mia", "NAME"), ("Friday", "DATE")]),
    ("Monday is a day like others", [("Monday", "DATE")]),
    ("the boat of Omar Brook sank", [("Omar Brook", "NAME")]),
]
CONFIG = """
[paths]
corpus = "{corpus}"

[nlp]
lang = "en"
pipeline = ["llama_ner"]

[components]

[components.llama_ner]
factory = "llama_ner"

[components.llama_ner.model]
@architectures = "spacy_llama_ner.CRFTagger.v1"

[components.llama_ner.model.tok2vec]
{tok2vec}

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${{paths.corpus}}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${{paths.corpus}}

[training]
max_steps = 8
eval_frequency = 1
dropout = 0.0

[training.batcher]
@batchers = "spacy.batch_by_sequence.v1"
size = 2

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.005

[training.logger]
@loggers = "spacy_llama_ner.CurveLogger.v1"
output_file = "{log}"
train_sample = 20
"""


LLAMA = """@architectures = "spacy_llama_ner.LlamaEncoder.v1"
base = "{base}"
dtype = "float32"
window = 64
stride = 48"""
CNN = """@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 16
depth = 1
embed_size = 50
window_size = 1
maxout_pieces = 2
subword_features = false"""
TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "spacy_llama_ner.training.train")


def write_config(folder: Path, tok2vec: str) -> Path:
    nlp = spacy.blank("en")
    docs = [annotated(nlp.make_doc(text), pieces) for text, pieces in SENTENCES]
    DocBin(docs=docs).to_disk(folder / "corpus.spacy")
    sparse = folder / "sparse.cfg"
    sparse.write_text(
        CONFIG.format(corpus=folder / "corpus.spacy", log=folder / "log.jsonl", tok2vec=tok2vec), encoding="utf8"
    )
    fill_config(folder / "config.cfg", sparse)
    return folder / "config.cfg"


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, args)], capture_output=True, encoding="utf8", timeout=500, check=False
    )


def curve(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf8").splitlines()]


def test_two_processes_learn_what_one_with_twice_the_batch_learns(tiny_llama: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, LLAMA.format(base=tiny_llama))
    done = run(*TORCHRUN, config, "--output", tmp_path / "two")
    assert done.returncode == 0, done.stderr[-4000:]
    together = curve(tmp_path)
    (tmp_path / "log.jsonl").unlink()
    done = run("spacy_llama_ner.training.train", config, "--output", tmp_path / "one", "--training.batcher.size", 4)
    assert done.returncode == 0, done.stderr[-4000:]
    alone = curve(tmp_path)

    assert [row["step"] for row in together] == [row["step"] for row in alone] == list(range(9))
    # scores are those of the first process, which measures the training sample alone
    assert together[-1]["train"].keys() == together[-1]["dev"].keys() == alone[-1]["dev"].keys()
    assert together[-1]["train"]["loss"] < together[0]["train"]["loss"] / 2
    assert spacy.load(tmp_path / "two" / "model-best").meta["performance"].keys() >= {"ents_f", "llama_ner_loss"}
    losses = [[row["losses"]["llama_ner"] for row in rows] for rows in (together, alone)]
    assert losses[0][-1] < losses[0][0] / 2
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)
    weights = [spacy.load(tmp_path / name / "model-last").get_pipe("llama_ner").model for name in ("two", "one")]
    states = [
        {name: p.detach().numpy() for name, p in model.get_ref("head").shims[0].module.named_parameters()}
        for model in weights
    ]
    for name, values in states[0].items():
        np.testing.assert_allclose(values, states[1][name], atol=2e-3, err_msg=name)


def test_layers_of_thinc_are_refused(tmp_path: Path) -> None:
    done = run(*TORCHRUN, write_config(tmp_path, CNN))
    assert done.returncode != 0
    assert "can only train the torch models of this package" in done.stdout


def test_without_a_seed_several_processes_are_refused(tmp_path: Path) -> None:
    # training.seed is ${system.seed}
    done = run(*TORCHRUN, write_config(tmp_path, CNN), "--system.seed", "null")
    assert done.returncode != 0
    assert "training.seed is null" in " ".join(done.stdout.split())
