"""`TransformerEncoder`: the BERT family as a tok2vec layer, on the same road as the Llama."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from thinc.api import Adam, Model
from tokenizers import Tokenizer

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.kinds import ENCODER
from spacy_llama_ner.encoder import LlamaEncoder, TransformerEncoder
from spacy_llama_ner.encoder.alignment import align
from spacy_llama_ner.encoder.architecture import plan_docs

from ..conftest import build_tiny_encoder
from .samples import LORA, make_docs, stir

TEXTS = [
    "UN praises Danish plan to protect Baltic seals .",
    "",
    "Anna",
    "Peter Piper called Anna at 6 pm on Friday about London. " * 6,
    " \n ",
    "It's the Lloyd's bank's 21st branch in New York, isn't it?",
]
KINDS = ENCODER.model_types


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the tiny random base of a model type, built when it is first asked for."""
    built: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in built:
            built[kind] = build_tiny_encoder(tmp_path_factory.mktemp(kind), kind)
        return built[kind]

    return folder


def make_encoder(base: Path, **settings: Any) -> Model:
    """An initialized encoder in fp32, its adapter (if any) as if it had been trained."""
    model = TransformerEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings})
    torch.manual_seed(0)
    model.initialize()
    stir(model.shims[0].module)
    return model


def train(model: Model) -> None:
    vectors, backprop = model.begin_update(make_docs(*TEXTS))
    backprop([np.ones_like(v) for v in vectors])
    model.finish_update(Adam(0.01))


def check_same(model: Model, other: Model) -> None:
    docs = make_docs(*TEXTS)
    for given, expected in zip(model.predict(docs), other.predict(docs), strict=True):
        np.testing.assert_array_equal(given, expected)


def plain_vectors(base: Path, text: str, pooling: str) -> np.ndarray:
    """By transformers alone: one text between its special subwords, a loop over the words."""
    from transformers import AutoModel

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    (doc,) = make_docs(text)
    ((_, first, last),) = align([doc], tokenizer)
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.no_grad():
        states = AutoModel.from_pretrained(base).eval()(input_ids=ids).last_hidden_state[0, 1:-1].numpy()
    choose = {"first": lambda own: own[0], "last": lambda own: own[-1], "mean": lambda own: own.mean(axis=0)}[pooling]
    return np.stack([choose(states[a:b]) for a, b in zip(first, last, strict=True)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
def test_vectors_are_those_of_the_base(tiny_encoder: Callable[[str], Path], kind: str, pooling: str) -> None:
    model = make_encoder(tiny_encoder(kind), lora=None, pooling=pooling)
    texts = [TEXTS[0], TEXTS[2], TEXTS[5]]
    for text, vectors in zip(texts, model.predict(make_docs(*texts)), strict=True):
        assert vectors.dtype == np.float32
        expected = plain_vectors(tiny_encoder(kind), text, pooling)
        np.testing.assert_allclose(vectors, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"window": 24, "stride": 16, "pooling": "mean"}])
def test_vectors_do_not_depend_on_the_company_of_a_doc(
    tiny_encoder: Callable[[str], Path], kind: str, settings: dict[str, Any]
) -> None:
    model = make_encoder(tiny_encoder(kind), **settings)
    docs = make_docs(*TEXTS)
    alone = [model.predict([doc])[0] for doc in docs]
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [0, 0, 5]):
        for i, vectors in zip(order, model.predict([docs[i] for i in order]), strict=True):
            assert vectors.shape == (len(docs[i]), 32)
            np.testing.assert_allclose(vectors, alone[i], atol=1e-5, rtol=1e-4)


def test_every_window_stands_between_special_subwords(tiny_bert: Path) -> None:
    model = make_encoder(tiny_bert, window=16, stride=12)
    plan = plan_docs(model, make_docs(*TEXTS))
    n_windows = 0
    for batch in plan.batches:
        ends = np.cumsum(batch.lengths)
        assert batch.ids[ends - batch.lengths].tolist() == [0] * len(ends)
        assert batch.ids[ends - 1].tolist() == [2] * len(ends)
        assert batch.lengths.max() <= 16
        n_windows += len(ends)
    assert n_windows > len(TEXTS)


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_word_that_the_tokenizer_drops_is_a_zero_vector(tiny_bert: Path, lora: dict[str, Any] | None) -> None:
    (vectors,) = make_encoder(tiny_bert, lora=lora).predict(make_docs("Anna \u200d Peter"))
    assert (np.abs(vectors).sum(axis=1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_adapter_learns(tiny_encoder: Callable[[str], Path], kind: str) -> None:
    model, other = (make_encoder(tiny_encoder(kind)) for _ in range(2))
    module = model.shims[0].module
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    train(model)
    for name, parameter in module.named_parameters():
        assert parameter.requires_grad == ("lora_" in name), name
        assert torch.equal(parameter, before[name]) == ("lora_" not in name), name
    assert not np.allclose(model.predict(make_docs("Anna"))[0], other.predict(make_docs("Anna"))[0], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"unfreeze_layers": 1}, {"lora": None, "unfreeze_layers": 1}])
def test_what_was_trained_comes_back_exactly(
    tiny_encoder: Callable[[str], Path], kind: str, settings: dict[str, Any]
) -> None:
    model = make_encoder(tiny_encoder(kind), **settings)
    train(model)
    empty = TransformerEncoder(str(tiny_encoder(kind)), **{"lora": LORA, "dtype": "float32", **settings})
    check_same(empty.from_bytes(model.to_bytes()), model)
    check_same(pickle.loads(pickle.dumps(model)), model)
    check_same(model.copy(), model)


def test_a_pipeline_that_carries_its_base_needs_nothing_else(tiny_distilbert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_distilbert, tmp_path / "base"))
    model = make_encoder(base, save_base=True)
    data = model.to_bytes()
    shutil.rmtree(base)
    loaded = TransformerEncoder(str(base), lora=LORA, dtype="float32", save_base=True).from_bytes(data)
    check_same(loaded, model)


def test_another_base_in_its_place_is_refused(tiny_distilbert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_distilbert, tmp_path / "base"))
    data = make_encoder(base).to_bytes()
    weights = load_file(base / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="is not the one this pipeline was trained on"):
        TransformerEncoder(str(base), lora=LORA, dtype="float32").from_bytes(data)


def test_encoders_share_the_base_and_nothing_else(tiny_bert: Path) -> None:
    def addresses(model: Model, *, trained: bool) -> set[int]:
        return {p.data_ptr() for p in model.shims[0].module.parameters() if p.requires_grad == trained}

    one, other = make_encoder(tiny_bert), make_encoder(tiny_bert, pooling="mean")
    gc.collect()
    assert addresses(one, trained=False) == addresses(other, trained=False) != set()
    assert addresses(one, trained=True).isdisjoint(addresses(other, trained=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unfreeze_layers", [0, 1])
def test_bf16_gives_nearly_the_same_vectors_in_fp32(
    tiny_encoder: Callable[[str], Path], kind: str, unfreeze_layers: int
) -> None:
    full, half = (
        make_encoder(tiny_encoder(kind), dtype=dtype, unfreeze_layers=unfreeze_layers)
        for dtype in ("float32", "bfloat16")
    )
    for expected, vectors in zip(full.predict(make_docs(*TEXTS)), half.predict(make_docs(*TEXTS)), strict=True):
        assert vectors.dtype == np.float32
        if vectors.any():
            assert np.corrcoef(expected.ravel(), vectors.ravel())[0, 1] > 0.99
    train(half)
    assert all(np.isfinite(vectors).all() for vectors in half.predict(make_docs(*TEXTS)))


@pytest.mark.parametrize(("kind", "positions"), [("bert", 512), ("distilbert", 512), ("roberta", 510)])
def test_a_window_fits_the_positions_that_the_base_knows(
    tiny_encoder: Callable[[str], Path], kind: str, positions: int
) -> None:
    docs = make_docs("Peter called Anna . " * 300)
    assert np.isfinite(make_encoder(tiny_encoder(kind), window=positions, stride=400).predict(docs)[0]).all()
    with pytest.raises(ValueError, match=f"the base knows only {positions} positions"):
        make_encoder(tiny_encoder(kind), window=positions + 1, stride=400)


def test_a_base_published_without_its_pooler_is_whole(
    tiny_bert: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    rest = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(rest) < len(weights)
    save_file(rest, base / "model.safetensors", metadata={"format": "pt"})
    check_same(make_encoder(base), make_encoder(tiny_bert))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_published_under_its_pretraining_head_is_the_same(
    tiny_encoder: Callable[[str], Path], tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModel, AutoModelForMaskedLM

    base = Path(shutil.copytree(tiny_encoder(kind), tmp_path / "base"))
    torch.manual_seed(1)
    masked = AutoModelForMaskedLM.from_pretrained(base)
    masked.base_model.load_state_dict(AutoModel.from_pretrained(base).state_dict(), strict=False)
    masked.save_pretrained(base, safe_serialization=True)
    assert any(name.startswith(f"{masked.base_model_prefix}.") for name in load_file(base / "model.safetensors"))
    capfd.readouterr()
    check_same(make_encoder(base), make_encoder(tiny_encoder(kind)))
    assert capfd.readouterr() == ("", "")


def test_norms_under_the_names_of_the_first_berts_are_read(tiny_bert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight * 2
        for name, weight in weights.items()
    }
    assert set(old) != set(weights)
    save_file(old, base / "model.safetensors", metadata={"format": "pt"})
    new = Path(shutil.copytree(tiny_bert, tmp_path / "new"))
    save_file({name: weight * 2 for name, weight in weights.items()}, new / "model.safetensors", {"format": "pt"})
    check_same(make_encoder(base), make_encoder(new))


def test_a_base_that_lacks_other_weights_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OSError, match="lacks 1 weights of its own config"):
        make_encoder(base)


def test_each_architecture_names_the_other_for_a_base_of_the_other_kind(tiny_bert: Path, tiny_llama: Path) -> None:
    with pytest.raises(BaseModelError, match="is a bert, which is an encoder .*TransformerEncoder.v1"):
        LlamaEncoder(str(tiny_bert)).initialize()
    with pytest.raises(BaseModelError, match="is a llama, which is a decoder .*LlamaEncoder.v1"):
        TransformerEncoder(str(tiny_llama)).initialize()


def test_a_base_with_code_of_its_own_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    config = json.loads((base / "config.json").read_text(encoding="utf8"))
    (base / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "mine.Mine"}}), encoding="utf8")
    with pytest.raises(BaseModelError, match="Python code of its own"):
        make_encoder(base)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unfreeze_layers": 3}, "unfreeze_layers = 3, but the encoder runs only 2 layers"),
        ({"lora": {"layers": [2]}}, "from 0 to 1"),
        ({"lora": {"target_modules": ["q_proj"]}}, "The linear modules of this base's layers are .*'q_lin'"),
    ],
)
def test_more_than_the_base_has_is_refused(tiny_distilbert: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(tiny_distilbert, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "max"}, "pooling = 'max'"),
        ({"stride": 0}, "0 < stride"),
        ({"lora": {"r": 1}}, "unknown"),
    ],
)
def test_nonsense_is_refused_before_anything_is_looked_up(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransformerEncoder("a base that is not there", **settings)
