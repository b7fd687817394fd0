"""Vectors of a frozen base that are computed once and kept in a file. The cache is tested in test_multi_adapter."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model

from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.encoder.modules import vector_provenance
from spacy_llama_ner.encoder.vector_cache import VectorFileError, unique_docs, write_vector_file
from tests.encoder.samples import make_docs, make_encoder

DOCS = make_docs("UN praises Danish plan", "Anna", "Peter Piper called Anna at 6 pm on Friday about London. " * 4)
FROZEN: dict[str, Any] = {"lora": None, "window": 24, "stride": 16}


def write(path: Path, docs: list[Doc], encoder: Model) -> int:
    texts = unique_docs(docs)
    provenance = vector_provenance(encoder.attrs["settings"], encoder.shims[0].module)
    write_vector_file(path, texts, encoder.predict, provenance=provenance)
    return len(texts)


@pytest.fixture
def frozen(tiny_llama: Path) -> Model:
    return make_encoder(tiny_llama, **FROZEN)


@pytest.fixture
def file(frozen: Model, tmp_path: Path) -> Path:
    path = tmp_path / "encoded.safetensors"
    assert write(path, [*DOCS, DOCS[0], *make_docs("")], frozen) == len(DOCS)
    return path


def forbid_encoding(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(plan: Any) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(model.shims[0].module, "forward", fail)


@pytest.mark.parametrize("is_train", [False, True])
def test_what_is_in_the_file_is_not_encoded_again(
    is_train: bool, frozen: Model, file: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = frozen.predict(DOCS)
    model = make_encoder(tiny_llama, **FROZEN, encoded=str(file))
    forbid_encoding(model, monkeypatch)
    found, backprop = model(DOCS[::-1], is_train)
    for vectors, others in zip(found, expected[::-1], strict=True):
        np.testing.assert_array_equal(vectors, others)
    assert backprop(found) == []


def test_other_texts_are_encoded(frozen: Model, file: Path, tiny_llama: Path) -> None:
    model = make_encoder(tiny_llama, **FROZEN, encoded=str(file))
    # the same letters in other words
    other = Doc(DOCS[0].vocab, words=["UN", "praises", "Dan", "ish", "plan"], spaces=[True, True, False, True, False])
    assert other.text == DOCS[0].text
    docs = [DOCS[1], other, *make_docs("nobody has seen this", ""), DOCS[0]]
    expected = [frozen.predict([doc])[0] for doc in docs]
    known = model.shims[0].module.vector_file.find(docs)
    assert [rows is None for rows in known] == [False, True, True, True, False]
    for vectors, others in zip(model.predict(docs), expected, strict=True):
        np.testing.assert_allclose(vectors, others, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"layer": 1}, "were computed with layer = None, here it is 1"),
        ({"attention": "causal"}, "attention = bidirectional, here it is causal"),
        ({"pooling": "mean"}, "pooling = first, here it is mean"),
        ({"dtype": "bfloat16"}, "dtype = torch.float32, here it is torch.bfloat16"),
    ],
)
def test_a_file_of_other_settings_is_refused(given: dict[str, Any], told: str, file: Path, tiny_llama: Path) -> None:
    with pytest.raises(VectorFileError, match=told):
        make_encoder(tiny_llama, **{**FROZEN, **given}, encoded=str(file))


def test_a_file_of_another_base_is_refused(file: Path, tmp_path: Path) -> None:
    from tests.conftest import build_tiny_llama

    other = build_tiny_llama(tmp_path / "other", rms_norm_eps=1e-3)
    with pytest.raises(VectorFileError, match="were computed with base = "):
        make_encoder(other, **FROZEN, encoded=str(file))


@pytest.mark.parametrize("content", [None, b"", b"not vectors at all"])
def test_what_is_no_such_file_is_refused(content: bytes | None, tiny_llama: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        VectorFileError, match="cannot be read as a file of vectors .* Make it with `llama-ner encode`"
    ):
        make_encoder(tiny_llama, **FROZEN, encoded=str(path))


@pytest.mark.parametrize("trained", [{"lora": {"rank": 2}}, {"lora": None, "unfreeze_layers": 1}])
def test_an_encoder_that_is_trained_takes_no_file(trained: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="encoded = 'some file' holds vectors of a frozen base"):
        LlamaEncoder("any base", **trained, encoded="some file")


def test_docs_without_words_are_refused(frozen: Model, tmp_path: Path) -> None:
    with pytest.raises(VectorFileError, match="no doc has a word"):
        write(tmp_path / "none.safetensors", make_docs("", ""), frozen)


def test_a_loaded_pipeline_does_without_the_file(
    file: Path, tiny_llama: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nlp = spacy.blank("en")
    tok2vec = {"base": str(tiny_llama), "dtype": "float32", **FROZEN, "encoded": str(file)}
    ner = nlp.add_pipe("llama_ner", config={"model": {"tok2vec": tok2vec}})
    ner.add_label("PER")
    nlp.initialize()
    nlp.to_disk(tmp_path / "pipeline")
    expected = nlp(DOCS[0].text).spans["llama_ner"].attrs["scores"]

    def vector_file(nlp: Any) -> Any:
        return nlp.get_pipe("llama_ner").model.get_ref("tok2vec").shims[0].module.vector_file

    assert vector_file(spacy.load(tmp_path / "pipeline")) is not None
    file.rename(tmp_path / "elsewhere")
    loaded = spacy.load(tmp_path / "pipeline")
    assert vector_file(loaded) is None and not caplog.messages
    np.testing.assert_allclose(loaded(DOCS[0].text).spans["llama_ner"].attrs["scores"], expected, atol=1e-5)
    file.write_bytes(b"something else")
    assert vector_file(spacy.load(tmp_path / "pipeline")) is None
    assert "No vectors are taken from a file, all are computed" in caplog.text
    assert "cannot be read as a file of vectors" in caplog.text


def test_a_copy_shares_the_file(file: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = copy.deepcopy(make_encoder(tiny_llama, **FROZEN, encoded=str(file)))
    forbid_encoding(model, monkeypatch)
    assert len(model.predict(DOCS)) == len(DOCS)
