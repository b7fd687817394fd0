"""Hearing what a head reads and gives."""

from __future__ import annotations

import numpy as np
import pytest
from spacy.language import Language

from spacy_llama_ner.pipeline.components import only_component
from spacy_llama_ner.pipeline.listening import listening

from .samples import CORPUS, ents

TEXTS = [text for text, _ in CORPUS]


def test_word_vectors_and_emissions_come_by_once(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    model = ner.model
    heard: list[tuple[list, list]] = []
    with listening(ner, lambda words, emissions: heard.append((words, emissions))):
        found = list(nlp.pipe(TEXTS))
    assert ner.model is model
    (words, emissions), docs = heard[0], [nlp.make_doc(text) for text in TEXTS]
    assert len(heard) == 1
    for given, wanted in zip(words, model.get_ref("tok2vec").predict(docs), strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-5)
    for given, wanted in zip(emissions, model.predict(docs), strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-4)
    assert [ents(doc) for doc in found] == [ents(doc) for doc in nlp.pipe(TEXTS)]


def test_it_is_over_after_an_error_too(nlp: Language) -> None:
    ner = only_component(nlp, wanted_by="A test")
    model = ner.model
    with pytest.raises(RuntimeError, match="cut"), listening(ner, lambda words, emissions: None):
        raise RuntimeError("cut")
    assert ner.model is model
