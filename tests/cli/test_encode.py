"""`encode`, and trainings that use its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_llama_ner.encoder.modules import WordEncoder
from tests.active.samples import CONFIG as ACTIVE
from tests.active.samples import PEOPLE, PLACES, write_corpora
from tests.cli.helpers import fails, options, succeeds

CONFIG = ACTIVE.parent / "linear-crf.cfg"
TOK2VEC = "components.llama_ner.model.tok2vec"


@pytest.fixture
def overrides(tiny_llama: Path, tmp_path: Path) -> dict[str, Any]:
    """A few steps of linear-crf on a tiny base."""
    paths = write_corpora(tmp_path / "corpus")
    return {
        "paths.train": paths["paths.gold"],
        "paths.dev": paths["paths.dev"],
        f"{TOK2VEC}.base": str(tiny_llama),
        f"{TOK2VEC}.layer": 1,
        f"{TOK2VEC}.dtype": "float32",
        "training.optimizer.learn_rate.initial_rate": 0.005,
        "training.optimizer.learn_rate.total_steps": 40,
        "training.optimizer.learn_rate.warmup_steps": 2,
        "training.eval_frequency": 20,
    }


def entities(pipeline: Path) -> list[list[tuple[str, str]]]:
    texts = [f"{person} moved to {place} last spring ." for person in PEOPLE for place in PLACES]
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in spacy.load(pipeline).pipe(texts)]


def test_training_on_what_was_read_before(
    overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(CONFIG, tmp_path / "slow", overrides=overrides)
    file = tmp_path / "kept" / "encoded.safetensors"
    said = succeeds("encode", CONFIG, file, "--data", tmp_path / "corpus", *options(overrides))
    # silver and the pool repeat gold, and dev some of it
    assert "the vectors of 68 texts" in said
    with monkeypatch.context() as patch:
        patch.delattr(WordEncoder, "forward")
        train(CONFIG, tmp_path / "fast", overrides={**overrides, "paths.encoded": str(file)})
    slow, fast = (entities(tmp_path / name / "model-best") for name in ("slow", "fast"))
    assert fast == slow
    assert any(slow)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data", "nowhere.spacy"], "nowhere.spacy does not exist"),
        (["--data", "corpus", f"--{TOK2VEC}.unfreeze_layers", "1"], "The encoder of"),
        (["--data", "corpus", f"--{TOK2VEC}.lora", '{"rank": 2}'], "Expected is one with lora = null"),
        (["--data", "corpus", f"--{TOK2VEC}.layer", "9"], "layer = 9, but the base has 2 layers"),
        (["--data", "corpus", f"--{TOK2VEC}.layer", "few"], "linear-crf.cfg cannot be used"),
        (["--data", "corpus", f"--{TOK2VEC}.lyer", "1"], "llama_ner.model.tok2vec -> lyer"),
        (["--data", "corpus", "--nlp.lang", "zz"], "zz"),
        (["--data", "corpus", f"--{TOK2VEC}.@architectures", "mine.v1"], "functions of your own need --code"),
        (["--data", "corpus", "--layer", "1"], "Settings of the config have a dot in their names"),
        (["--data", "not-utf8.spacy"], "not-utf8.spacy cannot be read"),
    ],
)
def test_what_does_not_fit_is_told(
    more: list[str], message: str, overrides: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "not-utf8.spacy").write_bytes(b"Zo\xeb")
    assert message in fails("encode", CONFIG, "encoded.safetensors", *options(overrides), *more)
    assert not (tmp_path / "encoded.safetensors").exists()


def test_a_corpus_is_not_written_over(overrides: dict[str, Any], tmp_path: Path) -> None:
    corpus = tmp_path / "corpus" / "gold.spacy"
    before = corpus.read_bytes()
    said = fails("encode", CONFIG, corpus, *options(overrides), "--data", corpus)
    assert "does not end in .safetensors. Give a file that does. An option takes one value each time" in said
    assert corpus.read_bytes() == before


def test_texts_are_read_as_they_are_and_as_training_cuts_them(overrides: dict[str, Any], tmp_path: Path) -> None:
    vocab = Vocab()
    docs = [
        Doc(vocab, words=["Mia", "can't", "swim"], spaces=[True, True, False]),
        # no tokenizer would find these words again
        Doc(vocab, words=["Omar", "can't", "swim"]),
    ]
    DocBin(docs=docs).to_disk(tmp_path / "own.spacy")
    output = tmp_path / "own.safetensors"
    said = succeeds("encode", CONFIG, output, *options(overrides), "--data", tmp_path / "own.spacy")
    assert "the vectors of 3 texts" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[nlp\nlang = 'en'", "cannot be used"),
        (b"[nlp]\nlang = ${paths.lang}\n", "cannot be used"),
        (b'[nlp]\nlang = "Zo\xeb"\n', "cannot be used"),
        (b"", "cannot be used"),
        (None, "Could not read config file"),
    ],
)
def test_a_config_that_is_broken(content: bytes | None, message: str, corpus: Path, tmp_path: Path) -> None:
    config = tmp_path / "broken.cfg"
    if content is not None:
        config.write_bytes(content)
    said = fails("encode", config, tmp_path / "out.safetensors", "--data", corpus)
    assert message in said and "broken.cfg" in said
