"""How much sentences are like each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.annotate.similarity import Index, VectorIndex, WordIndex

NLP = spacy.blank("en")
POOL = ["Anna called Peter.", "It rained in London.", "Seals eat fish.", ""]


def docs(*texts: str) -> list[Doc]:
    return [NLP.make_doc(text) for text in texts]


@pytest.fixture(params=["words", "vectors"])
def index(request: pytest.FixtureRequest, tiny_llama: Path) -> Index:
    if request.param == "words":
        return WordIndex(docs(*POOL))
    return VectorIndex(docs(*POOL), base=str(tiny_llama), batch_size=2)


def test_a_sentence_is_most_like_itself(index: Index) -> None:
    scores = index.scores(docs(*POOL))
    assert scores.shape == (4, 4)
    assert scores.dtype == np.float32
    assert scores[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert scores[[0, 1, 2], [0, 1, 2]] == pytest.approx(1, abs=1e-5)
    assert abs(scores).max() < 1 + 1e-5


def test_nothing_is_like_an_empty_text(index: Index) -> None:
    assert (index.scores(docs("", *POOL))[0] == 0).all()
    assert (index.scores(docs(*POOL))[:, 3] == 0).all()


def test_scores_do_not_depend_on_what_is_looked_up_besides(index: Index) -> None:
    alone = [index.scores(docs(text))[0] for text in POOL]
    assert index.scores(docs(*POOL)) == pytest.approx(np.stack(alone), abs=1e-5)


def test_words_count_by_how_rare_they_are_and_not_by_case() -> None:
    index = WordIndex(docs("the seal", "the dog", "the cat", "the bird"))
    (scores,) = index.scores(docs("The SEAL sang to the moon"))
    assert scores[0] > 2 * scores[1] > 0
    assert scores[1] == scores[2] == scores[3]


def test_docs_from_a_file_have_words_too() -> None:
    """Their vocabulary has no functions for attributes of words."""
    seal, dog = (Doc(Vocab(), words=["The", name]) for name in ("Seal", "dog"))
    assert WordIndex([seal, dog]).scores(docs("SEAL")).argmax() == 0


def test_neighbouring_words_count_together() -> None:
    index = WordIndex(docs("bank of New York", "York bank of New"))
    (scores,) = index.scores(docs("New York"))
    assert scores[0] > scores[1] > 0


def test_a_pool_of_empty_texts_is_like_nothing() -> None:
    assert WordIndex(docs("", " ")).scores(docs("Anna called.")).tolist() == [[0, 0]]


def test_vectors_are_freed_of_what_all_have_in_common(tiny_llama: Path) -> None:
    index = VectorIndex(docs(*POOL[:3]), base=str(tiny_llama))
    scores = index.scores(docs(*POOL[:3]))
    # three points around their mean: each is on the other side of it than the two others are together
    assert (scores.sum(axis=1) - scores.diagonal() < 0).all()
