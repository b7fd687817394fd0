"""`LlamaEncoder` as a tok2vec layer: the vectors it gives, the gradients it takes, its life inside spaCy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.training import Example
from thinc.api import Adam, Model
from tokenizers import Tokenizer

from spacy_llama_ner.encoder.alignment import align
from spacy_llama_ner.encoder.architecture import plan_docs

from .samples import byte_level, make_docs, make_encoder, template

TEXTS = ["UN praises Danish plan to protect Baltic seals .", "Peter  \n called", "Anna"]
POOLINGS = ("first", "last", "mean")


def plain_vectors(base: Path, text: str, pooling: str) -> np.ndarray:
    """By transformers alone: one text, a mask of ones, a loop over the words."""
    from transformers import AutoModel

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    (doc,) = make_docs(text)
    ((ids, first, last),) = align([doc], tokenizer)
    llama = AutoModel.from_pretrained(base, attn_implementation="sdpa").eval()
    mask = torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool)
    with torch.no_grad():
        states = llama(input_ids=torch.from_numpy(ids)[None], attention_mask=mask).last_hidden_state[0].numpy()
    choose = {"first": lambda own: own[0], "last": lambda own: own[-1], "mean": lambda own: own.mean(axis=0)}[pooling]
    return np.stack([choose(states[a:b]) for a, b in zip(first, last, strict=True)])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_the_base_under_a_mask_of_ones(tiny_llama: Path, pooling: str) -> None:
    model = make_encoder(tiny_llama, lora=None, pooling=pooling)
    for text, vectors in zip(TEXTS, model.predict(make_docs(*TEXTS)), strict=True):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, plain_vectors(tiny_llama, text, pooling), atol=2e-5, rtol=1e-4)


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


def count_kept(model: Model) -> int:
    """How many tensors a training step keeps for the way back."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(1), lambda packed: None):
        model.begin_update(make_docs(*TEXTS))
    return len(kept)


def test_what_is_frozen_is_not_walked_back_through(tiny_llama: Path) -> None:
    frozen, top, all_layers = (
        count_kept(make_encoder(tiny_llama, lora=None, unfreeze_layers=n_layers)) for n_layers in (0, 1, 2)
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


def test_bf16_gives_nearly_the_same_vectors_in_fp32(tiny_llama: Path) -> None:
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
