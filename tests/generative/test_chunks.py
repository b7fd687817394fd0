"""Splitting docs into chunks."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.generative.chunks import split_into_chunks

NLP = spacy.blank("en")


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_a_doc_without_words_has_no_chunk(text: str) -> None:
    assert split_into_chunks(NLP.make_doc(text), window=10) == []


@pytest.mark.parametrize("window", [1, 2, 5, 100])
def test_chunks_hold_every_word_once(window: int) -> None:
    doc = NLP.make_doc("  Mia came.\n\nShe left,   then  came again! Why?\n")
    chunks = split_into_chunks(doc, window=window)
    assert [i for chunk in chunks for i in chunk.tokens] == [token.i for token in doc if not token.is_space]
    assert all(len(chunk.words) <= window for chunk in chunks)
    assert all(chunk.text in doc.text for chunk in chunks)


def test_white_space_stands_between_words() -> None:
    (chunk,) = split_into_chunks(NLP.make_doc(" Mia \n came"), window=10)
    assert chunk == (("Mia", "came"), ("", " \n "), (1, 3))
    assert chunk.text == "Mia \n came"


def test_a_long_doc_is_split_after_a_sentence() -> None:
    doc = Doc(NLP.vocab, words=["One", ".", "Two", "two", ".", *["Three"] * 4])
    assert [" ".join(chunk.words) for chunk in split_into_chunks(doc, window=6)] == [
        "One . Two two .",
        "Three Three Three Three",
    ]
    assert split_into_chunks(doc, window=3)[0].text == "One ."
