"""`spacy pretrain` with hidden subwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.cli._util import app
from spacy.language import DEFAULT_CONFIG_PRETRAIN_PATH
from thinc.api import Adam, Model
from typer.testing import CliRunner

from spacy_llama_ner.encoder import PretrainMaskedSubwords
from spacy_llama_ner.encoder.batching import Batch
from spacy_llama_ner.encoder.pretraining import mask_id, masked_loss
from tests.conftest import TRAINING_TEXT
from tests.encoder.samples import NLP, make_docs, make_encoder, window_plan

DOCS = make_docs(*TRAINING_TEXT)


def pretrainer(base: Path, *, share: float = 0.2) -> Model:
    return PretrainMaskedSubwords(share)(NLP.vocab, make_encoder(base))


def test_the_loss_falls_and_only_the_encoder_learns(tiny_llama: Path) -> None:
    model = pretrainer(tiny_llama)
    torch.manual_seed(0)
    optimizer, losses = Adam(0.01), []
    for _ in range(30):
        loss, backprop = model.begin_update(DOCS)
        value, gradient = model.attrs["loss"](model.ops, DOCS, loss)
        backprop(gradient)
        model.finish_update(optimizer)
        losses.append(value)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_hidden_subwords_are_read_from_the_vector_in_front(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder(tiny_llama).shims[0].module
    plan = window_plan([[5, 6, 7, 8], [9, 10, 11]])
    encoded: list[Batch] = []
    encode_batch = encoder.encode_batch
    monkeypatch.setattr(encoder, "encode_batch", lambda batch: encoded.append(batch) or encode_batch(batch))
    masked_loss(encoder, plan, share=0.999999)
    mask = mask_id(encoder)
    assert encoded[0].ids.tolist() == [5, mask, mask, mask, 9, mask, mask]
    assert encoded[0].read.tolist() == [0, 1, 2, 4, 5]


def test_nothing_to_hide_is_no_loss(tiny_llama: Path) -> None:
    model = pretrainer(tiny_llama)
    for docs in ([], make_docs("")):
        loss, backprop = model.begin_update(docs)
        backprop(None)
        assert loss.item() == 0


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_that_hides_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="expected the share of subwords to hide"):
        PretrainMaskedSubwords(share)


def test_another_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="names a layer 'other'"):
        PretrainMaskedSubwords()(NLP.vocab, Model("other", lambda model, X, is_train: (X, lambda d: d)))


def test_an_encoder_that_would_learn_nothing_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match="would train nothing: this encoder has lora = null"):
        PretrainMaskedSubwords()(NLP.vocab, make_encoder(tiny_llama, lora=None))


@pytest.mark.parametrize("averages", [True, False])
def test_spacy_pretrains_and_training_starts_from_there(tiny_llama: Path, tmp_path: Path, averages: bool) -> None:
    nlp = spacy.blank("en")
    encoder = {"base": str(tiny_llama), "lora": {"rank": 4, "alpha": 8.0}, "dtype": "float32"}
    nlp.add_pipe("llama_ner", config={"model": {"tok2vec": encoder}})
    srsly.write_jsonl(tmp_path / "text.jsonl", [{"text": text} for text in TRAINING_TEXT])
    config = nlp.config
    # as `spacy init fill-config --pretraining` does
    config = spacy.util.load_config(DEFAULT_CONFIG_PRETRAIN_PATH).merge(config)
    config["paths"].update(raw_text=str(tmp_path / "text.jsonl"), init_tok2vec=None)
    objective = {"@architectures": "spacy_llama_ner.PretrainMaskedSubwords.v1"}
    config["pretraining"].update(max_epochs=2, component="llama_ner", layer="tok2vec", objective=objective)
    config["pretraining"]["optimizer"]["use_averages"] = averages
    config["initialize"]["components"] = {"llama_ner": {"labels": ["NAME"]}}
    config.to_disk(tmp_path / "config.cfg")
    done = CliRunner().invoke(app, ["pretrain", str(tmp_path / "config.cfg"), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    config["initialize"]["init_tok2vec"] = str(tmp_path / "out" / "model-last.bin")
    started = spacy.util.load_model_from_config(config)
    started.initialize()
    ner: Any = started.get_pipe("llama_ner")
    adapter = ner.model.get_ref("tok2vec").shims[0].module
    assert any(p.abs().sum() > 0 for name, p in adapter.named_parameters() if "lora_B" in name)
