"""Docs without their annotation."""

from __future__ import annotations

import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llama_ner.data.copies import in_vocab, unlabelled


def test_words_stay_and_labels_go() -> None:
    doc = Doc(Vocab(), words=["Ana", "sings"], ents=["B-NAME", "O"])
    copy = unlabelled(doc)
    assert [token.text for token in copy] == ["Ana", "sings"]
    assert copy.has_unknown_spaces
    assert not copy.has_annotation("ENT_IOB")


def test_the_text_stays_to_the_space_in_another_vocabulary() -> None:
    vocab = Vocab()
    copy = unlabelled(spacy.blank("en")("Ana  sings, doesn't she?"), vocab)
    assert copy.text == "Ana  sings, doesn't she?"
    assert copy.vocab is vocab
    assert not copy.has_unknown_spaces


def test_docs_move_with_their_labels() -> None:
    doc = Doc(Vocab(), words=["Ana", "sings", "it"], ents=["B-NAME", "O", ""])
    vocab = Vocab()
    (moved,) = in_vocab([doc], vocab)
    assert moved.vocab is vocab
    assert moved.has_unknown_spaces
    assert [(ent.text, ent.label_) for ent in moved.ents] == [("Ana", "NAME")]
    assert [token.ent_iob for token in moved] == [3, 2, 0]
