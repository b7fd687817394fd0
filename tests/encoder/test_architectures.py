"""`LlamaEncoder` and `TransformerEncoder` as tok2vec layers: vectors, gradients, and use inside spaCy."""

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
import spacy
import torch
from safetensors.numpy import load_file, save_file
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, Model
from tokenizers import Tokenizer

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.check import ENCODER
from spacy_llama_ner.encoder import LlamaEncoder, TransformerEncoder
from spacy_llama_ner.encoder.architectures import plan_docs
from spacy_llama_ner.encoder.batching import align
from tests.encoder.samples import LORA, byte_level, make_docs, make_encoder, randomize_adapter, template

TEXTS = ["UN praises Danish plan to protect Baltic seals .", "Peter  \n called", "Anna"]
POOLINGS = ("first", "last", "mean")
TRANSFORMER_TEXTS = [
    "UN praises Danish plan to protect Baltic seals .",
    "",
    "Anna",
    "Peter Piper called Anna at 6 pm on Friday about London. " * 6,
    " \n ",
    "It's the Lloyd's bank's 21st branch in New York, isn't it?",
]
KINDS = ENCODER.model_types


def pool(states: np.ndarray, text: str, tokenizer: Tokenizer, pooling: str) -> np.ndarray:
    """Word vectors of a text from the states of its subwords, word by word."""
    ((_, starts, ends),) = align(make_docs(text), tokenizer)
    choose = {"first": lambda own: own[0], "last": lambda own: own[-1], "mean": lambda own: own.mean(axis=0)}[pooling]
    return np.stack([choose(states[start:end]) for start, end in zip(starts, ends, strict=True)])


def decoder_vectors(base: Path, text: str, pooling: str) -> np.ndarray:
    """By transformers alone: one text, a mask of ones, a loop over the words."""
    from transformers import AutoModel

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids])
    llama = AutoModel.from_pretrained(base, attn_implementation="sdpa").eval()
    mask = torch.ones(1, 1, ids.shape[1], ids.shape[1], dtype=torch.bool)
    with torch.no_grad():
        states = llama(input_ids=ids, attention_mask=mask).last_hidden_state[0].numpy()
    return pool(states, text, tokenizer, pooling)


def make_transformer(base: Path, **settings: Any) -> Model:
    """An initialized encoder in fp32, its adapter (if any) as if it had been trained."""
    model = TransformerEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings})
    torch.manual_seed(0)
    model.initialize()
    randomize_adapter(model.shims[0].module)
    return model


def train(model: Model) -> None:
    vectors, backprop = model.begin_update(make_docs(*TRANSFORMER_TEXTS))
    backprop([np.ones_like(v) for v in vectors])
    model.finish_update(Adam(0.01))


def check_same(model: Model, other: Model) -> None:
    docs = make_docs(*TRANSFORMER_TEXTS)
    for given, expected in zip(model.predict(docs), other.predict(docs), strict=True):
        np.testing.assert_array_equal(given, expected)


def encoder_vectors(base: Path, text: str, pooling: str) -> np.ndarray:
    """By transformers alone: one text between its special subwords, a loop over the words."""
    from transformers import AutoModel

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.no_grad():
        states = AutoModel.from_pretrained(base).eval()(input_ids=ids).last_hidden_state[0, 1:-1].numpy()
    return pool(states, text, tokenizer, pooling)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_the_base_under_a_mask_of_ones(tiny_llama: Path, pooling: str) -> None:
    model = make_encoder(tiny_llama, lora=None, pooling=pooling)
    for text, vectors in zip(TEXTS, model.predict(make_docs(*TEXTS)), strict=True):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, decoder_vectors(tiny_llama, text, pooling), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_backprop_is_torch_autograd(tiny_llama: Path, pooling: str) -> None:
    model = make_encoder(tiny_llama, pooling=pooling, window=16, stride=10)
    module, docs = model.shims[0].module, make_docs(*TEXTS, "")
    vectors, backprop = model.begin_update(docs)
    rng = np.random.default_rng(0)
    d_vectors = [rng.normal(size=v.shape).astype("float32") for v in vectors]
    assert backprop(d_vectors) == []
    given = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    (module(plan_docs(model, docs)) * torch.from_numpy(np.concatenate(d_vectors))).sum().backward()
    expected = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert given.keys() == expected.keys() == {n for n, p in module.named_parameters() if p.requires_grad}
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(given[name], gradient, msg=name)


def test_gradients_add_up_until_the_step(tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama)
    parameters = [p for p in model.shims[0].module.parameters() if p.requires_grad]
    for times in (1, 2):
        vectors, backprop = model.begin_update(make_docs(*TEXTS))
        backprop([np.ones_like(v) for v in vectors])
        if times == 1:
            once = [p.grad.clone() for p in parameters]
    for parameter, gradient in zip(parameters, once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)
    model.finish_update(Adam(0.01))
    assert all(p.grad is None for p in parameters)


def test_a_frozen_encoder_is_left_as_it_is_by_an_update(tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama, lora=None)
    docs = make_docs(*TEXTS)
    assert not any(p.requires_grad for p in model.shims[0].module.parameters())
    before, backprop = model.begin_update(docs)
    assert backprop([np.ones_like(v) for v in before]) == []
    model.finish_update(Adam(0.01))
    for after, vectors in zip(model.predict(docs), before, strict=True):
        np.testing.assert_array_equal(after, vectors)


def count_saved_tensors(model: Model) -> int:
    """How many tensors a training step keeps for backpropagation."""
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(1), lambda packed: None):
        model.begin_update(make_docs(*TEXTS))
    return len(saved)


def test_gradients_do_not_pass_through_frozen_layers(tiny_llama: Path) -> None:
    frozen, top, all_layers = (
        count_saved_tensors(make_encoder(tiny_llama, lora=None, unfreeze_layers=n_layers)) for n_layers in (0, 1, 2)
    )
    assert frozen == 0
    assert 0 < top < all_layers


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["", "Anna", ""]])
def test_docs_without_words(tiny_llama: Path, texts: list[str]) -> None:
    model = make_encoder(tiny_llama)
    docs = make_docs(*texts)
    assert [v.shape for v in model.predict(docs)] == [(len(doc), 32) for doc in docs]
    vectors, backprop = model.begin_update(docs)
    assert backprop(vectors) == []


def test_a_doc_of_any_length(tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama)
    docs = make_docs("x" * 5000, "Peter called Anna . " * 400, " " * 3000)
    for doc, vectors in zip(docs, model.predict(docs), strict=True):
        assert vectors.shape == (len(doc), 32)
        assert np.isfinite(vectors).all() and np.abs(vectors).max(axis=1).all()


def test_special_subwords_stand_in_front_of_every_window(tiny_llama: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_llama, tmp_path / "base"))
    byte_level(post_processor=template("<s> $A </s>")).save(str(base / "tokenizer.json"))
    docs = make_docs("Peter Piper called Anna at 6 pm on Friday about London . " * 3)
    bare, model = (make_encoder(folder, window=16, stride=16) for folder in (tiny_llama, base))
    plan = plan_docs(model, docs)
    assert all((batch.ids == 0).sum() == len(batch.lengths) and batch.lengths.max() <= 16 for batch in plan.batches)
    # what a decoder is only to write is left out
    assert not any((batch.ids == 1).any() for batch in plan.batches)
    assert not np.allclose(model.predict(docs)[0], bare.predict(docs)[0], atol=1e-2)


@pytest.mark.parametrize("setting", ["truncation", "padding"])
def test_a_tokenizer_that_was_published_with_a_length_cuts_nothing_off(
    tiny_llama: Path, tmp_path: Path, setting: str
) -> None:
    base = Path(shutil.copytree(tiny_llama, tmp_path / "base"))
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(4) if setting == "truncation" else tokenizer.enable_padding(length=64)
    tokenizer.save(str(base / "tokenizer.json"))
    docs = make_docs(TEXTS[0])
    expected, given = (make_encoder(folder).predict(docs)[0] for folder in (tiny_llama, base))
    np.testing.assert_array_equal(given, expected)


def test_llama_bf16_gives_nearly_the_same_vectors_in_fp32(tiny_llama: Path) -> None:
    docs = make_docs(*TEXTS)
    full, half = make_encoder(tiny_llama), make_encoder(tiny_llama, dtype="bfloat16")
    for expected, vectors in zip(full.predict(docs), half.predict(docs), strict=True):
        assert vectors.dtype == np.float32
        assert np.corrcoef(expected.ravel(), vectors.ravel())[0, 1] > 0.99
    vectors, backprop = half.begin_update(docs)
    backprop([np.ones_like(v) for v in vectors])
    half.finish_update(Adam(0.01))
    assert np.isfinite(half.predict(docs)[0]).all()


def make_tagger(base: Path) -> tuple[Language, list[Example]]:
    nlp = spacy.blank("en")
    lora: dict[str, Any] = {"rank": 4, "alpha": 8.0}
    encoder = {"@architectures": "spacy_llama_ner.LlamaEncoder.v1", "base": str(base), "lora": lora}
    nlp.add_pipe("tok2vec", config={"model": {**encoder, "dtype": "float32"}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32}
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    texts = [("Peter called Anna", ["N", "V", "N"]), ("UN praises plan .", ["N", "V", "N", "P"])]
    return nlp, [Example.from_dict(nlp.make_doc(text), {"tags": tags}) for text, tags in texts]


def test_it_trains_as_the_tok2vec_component_of_a_pipeline(tiny_llama: Path, tmp_path: Path) -> None:
    nlp, examples = make_tagger(tiny_llama)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    encoder: Model = nlp.get_pipe("tok2vec").model
    assert encoder.get_dim("nO") == 32
    before = encoder.predict([examples[0].x])[0]
    losses = [nlp.update(examples, sgd=optimizer)["tagger"] for _ in range(8)]
    assert losses[-1] < losses[0] / 2
    assert not np.allclose(encoder.predict([examples[0].x])[0], before, atol=1e-3)

    doc = nlp(examples[1].text)
    assert [t.tag_ for t in doc] == ["N", "V", "N", "P"]
    nlp.to_disk(tmp_path / "pipeline")
    from_bytes, _ = make_tagger(tiny_llama)
    from_bytes.from_bytes(nlp.to_bytes())
    for other in (spacy.load(tmp_path / "pipeline"), from_bytes):
        np.testing.assert_array_equal(other(examples[1].text).tensor, doc.tensor)
        assert [t.tag_ for t in other(examples[1].text)] == ["N", "V", "N", "P"]
    nlp.replace_listeners("tok2vec", "tagger", ["model.tok2vec"])
    assert [t.tag_ for t in nlp(examples[1].text)] == ["N", "V", "N", "P"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
def test_vectors_are_those_of_the_base(tiny_encoder: Callable[[str], Path], kind: str, pooling: str) -> None:
    model = make_transformer(tiny_encoder(kind), lora=None, pooling=pooling)
    texts = [TRANSFORMER_TEXTS[0], TRANSFORMER_TEXTS[2], TRANSFORMER_TEXTS[5]]
    for text, vectors in zip(texts, model.predict(make_docs(*texts)), strict=True):
        assert vectors.dtype == np.float32
        expected = encoder_vectors(tiny_encoder(kind), text, pooling)
        np.testing.assert_allclose(vectors, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"window": 24, "stride": 16, "pooling": "mean"}])
def test_vectors_do_not_depend_on_the_company_of_a_doc(
    tiny_encoder: Callable[[str], Path], kind: str, settings: dict[str, Any]
) -> None:
    model = make_transformer(tiny_encoder(kind), **settings)
    docs = make_docs(*TRANSFORMER_TEXTS)
    alone = [model.predict([doc])[0] for doc in docs]
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4], [0, 0, 5]):
        for i, vectors in zip(order, model.predict([docs[i] for i in order]), strict=True):
            assert vectors.shape == (len(docs[i]), 32)
            np.testing.assert_allclose(vectors, alone[i], atol=1e-5, rtol=1e-4)


def test_every_window_stands_between_special_subwords(tiny_bert: Path) -> None:
    model = make_transformer(tiny_bert, window=16, stride=12)
    plan = plan_docs(model, make_docs(*TRANSFORMER_TEXTS))
    n_windows = 0
    for batch in plan.batches:
        ends = np.cumsum(batch.lengths)
        assert batch.ids[ends - batch.lengths].tolist() == [0] * len(ends)
        assert batch.ids[ends - 1].tolist() == [2] * len(ends)
        assert batch.lengths.max() <= 16
        n_windows += len(ends)
    assert n_windows > len(TRANSFORMER_TEXTS)


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_word_that_the_tokenizer_drops_is_a_zero_vector(tiny_bert: Path, lora: dict[str, Any] | None) -> None:
    (vectors,) = make_transformer(tiny_bert, lora=lora).predict(make_docs("Anna \u200d Peter"))
    assert (np.abs(vectors).sum(axis=1) > 0).tolist() == [True, False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_adapter_learns(tiny_encoder: Callable[[str], Path], kind: str) -> None:
    model, other = (make_transformer(tiny_encoder(kind)) for _ in range(2))
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
    model = make_transformer(tiny_encoder(kind), **settings)
    train(model)
    empty = TransformerEncoder(str(tiny_encoder(kind)), **{"lora": LORA, "dtype": "float32", **settings})
    check_same(empty.from_bytes(model.to_bytes()), model)
    check_same(pickle.loads(pickle.dumps(model)), model)
    check_same(model.copy(), model)


def test_a_pipeline_that_carries_its_base_needs_nothing_else(tiny_distilbert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_distilbert, tmp_path / "base"))
    model = make_transformer(base, save_base=True)
    data = model.to_bytes()
    shutil.rmtree(base)
    loaded = TransformerEncoder(str(base), lora=LORA, dtype="float32", save_base=True).from_bytes(data)
    check_same(loaded, model)


def test_another_base_in_its_place_is_refused(tiny_distilbert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_distilbert, tmp_path / "base"))
    data = make_transformer(base).to_bytes()
    weights = load_file(base / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="is not the one this pipeline was trained on"):
        TransformerEncoder(str(base), lora=LORA, dtype="float32").from_bytes(data)


def test_encoders_share_the_base_and_nothing_else(tiny_bert: Path) -> None:
    def addresses(model: Model, *, trained: bool) -> set[int]:
        return {p.data_ptr() for p in model.shims[0].module.parameters() if p.requires_grad == trained}

    one, other = make_transformer(tiny_bert), make_transformer(tiny_bert, pooling="mean")
    gc.collect()
    assert addresses(one, trained=False) == addresses(other, trained=False) != set()
    assert addresses(one, trained=True).isdisjoint(addresses(other, trained=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unfreeze_layers", [0, 1])
def test_transformer_bf16_gives_nearly_the_same_vectors_in_fp32(
    tiny_encoder: Callable[[str], Path], kind: str, unfreeze_layers: int
) -> None:
    full, half = (
        make_transformer(tiny_encoder(kind), dtype=dtype, unfreeze_layers=unfreeze_layers)
        for dtype in ("float32", "bfloat16")
    )
    for expected, vectors in zip(
        full.predict(make_docs(*TRANSFORMER_TEXTS)), half.predict(make_docs(*TRANSFORMER_TEXTS)), strict=True
    ):
        assert vectors.dtype == np.float32
        if vectors.any():
            assert np.corrcoef(expected.ravel(), vectors.ravel())[0, 1] > 0.99
    train(half)
    assert all(np.isfinite(vectors).all() for vectors in half.predict(make_docs(*TRANSFORMER_TEXTS)))


@pytest.mark.parametrize(("kind", "positions"), [("bert", 512), ("distilbert", 512), ("roberta", 510)])
def test_a_window_fits_the_positions_that_the_base_knows(
    tiny_encoder: Callable[[str], Path], kind: str, positions: int
) -> None:
    docs = make_docs("Peter called Anna . " * 300)
    assert np.isfinite(make_transformer(tiny_encoder(kind), window=positions, stride=400).predict(docs)[0]).all()
    with pytest.raises(ValueError, match=f"the base knows only {positions} positions"):
        make_transformer(tiny_encoder(kind), window=positions + 1, stride=400)


def test_a_base_published_without_its_pooler_is_whole(
    tiny_bert: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    rest = {name: weight for name, weight in weights.items() if not name.startswith("pooler.")}
    assert len(rest) < len(weights)
    save_file(rest, base / "model.safetensors", metadata={"format": "pt"})
    check_same(make_transformer(base), make_transformer(tiny_bert))
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
    check_same(make_transformer(base), make_transformer(tiny_encoder(kind)))
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
    check_same(make_transformer(base), make_transformer(new))


def test_a_base_that_lacks_other_weights_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_bert, tmp_path / "base"))
    weights = load_file(base / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(OSError, match="lacks 1 weights of its own config"):
        make_transformer(base)


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
        make_transformer(base)


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
        make_transformer(tiny_distilbert, **settings)


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
