"""The same sentences in two corpora."""

from __future__ import annotations

import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.data.matching import match_words


def doc(*words: str) -> Doc:
    return Doc(Vocab(), words=list(words))


def test_docs_are_told_by_their_words_not_by_their_text() -> None:
    whole = doc("New York")
    pairs = list(match_words([doc("New", "York"), doc("New York")], [doc("York", "New"), whole]))
    assert [other for _, other in pairs] == [None, whole]


def test_spaces_between_words_do_not_matter() -> None:
    nlp = spacy.blank("en")
    tokenized = nlp.make_doc("Seals eat fish.")
    ((_, found),) = match_words([tokenized], [doc("Seals", "eat", "fish", ".")])
    assert found is not None


def test_of_several_with_the_same_words_the_first_is_taken() -> None:
    first, second = doc("It", "rained"), doc("It", "rained")
    pairs = list(match_words([doc("It", "rained"), doc("It", "rained")], [first, second]))
    assert [other for _, other in pairs] == [first, first]
