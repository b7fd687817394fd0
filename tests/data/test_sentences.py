"""Sentences of words and tags become Docs, which survive a DocBin."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

from spacy_llama_ner.data.conll import Sentence
from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.sentences import make_docs
from spacy_llama_ner.data.tags import doc_tags

DOCUMENTS = [
    [
        Sentence(["Ada", "can't", "swim"], ["B-PER", "O", "O"], ["NNP", "MD", "VB"], ["B-NP", "B-VP", "I-VP"]),
        Sentence(["New", "York"], ["B-LOC", "I-LOC"], ["NNP", "NNP"], ["B-NP", "I-NP"]),
        Sentence(["!"], ["O"], ["."], ["O"]),
    ],
    [Sentence(["Rain"], ["O"], ["NN"], ["B-NP"])],
]


def saved(docs: list[Doc], path: Path) -> list[Doc]:
    write_docbin(docs, path)
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def make(sents: int) -> list[Doc]:
    return list(make_docs(DOCUMENTS, spacy.blank("en").vocab, sents=sents))


@pytest.mark.parametrize(
    ("sents", "words"),
    [(1, [3, 2, 1, 1]), (2, [5, 1, 1]), (3, [6, 1]), (50, [6, 1]), (0, [6, 1])],
)
def test_docs_of_n_sentences_stay_inside_documents(sents: int, words: list[int]) -> None:
    assert [len(doc) for doc in make(sents)] == words


def test_annotation_is_complete_and_survives_saving(tmp_path: Path) -> None:
    doc = saved(make(0), tmp_path / "a.spacy")[0]
    assert doc_tags(doc) == ["B-PER", "O", "O", "B-LOC", "I-LOC", "O"]
    assert [token.tag_ for token in doc] == ["NNP", "MD", "VB", "NNP", "NNP", "."]
    assert [sent.text for sent in doc.sents] == ["Ada can't swim", "New York", "!"]
    assert [(chunk.text, chunk.label_) for chunk in doc.spans["chunks"]] == [
        ("Ada", "NP"),
        ("can't swim", "VP"),
        ("New York", "NP"),
    ]


def test_a_word_without_annotation_stays_one(tmp_path: Path) -> None:
    documents = [[Sentence(["Kiel", "or", "Bonn"], ["B-LOC", "O", "-"])]]
    (doc,) = saved(list(make_docs(documents, spacy.blank("en").vocab)), tmp_path / "a.spacy")
    assert doc_tags(doc) == ["B-LOC", "O", "-"]


def test_without_columns_there_are_no_tags_and_chunks() -> None:
    doc = next(make_docs([[Sentence(["Kiel"], ["B-LOC"])]], spacy.blank("en").vocab))
    assert not doc.has_annotation("TAG")
    assert "chunks" not in doc.spans
    assert doc.has_annotation("SENT_START")


def test_spacys_reader_keeps_the_words(tmp_path: Path) -> None:
    saved(make(1), tmp_path / "a.spacy")
    nlp = spacy.blank("en")
    assert len(nlp("can't")) == 2
    example = next(iter(Corpus(tmp_path / "a.spacy")(nlp)))
    assert [token.text for token in example.predicted] == ["Ada", "can't", "swim"]


def test_negative_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="`sents` is -1"):
        make(-1)
