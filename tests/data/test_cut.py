"""A long doc becomes pieces of a few sentences, which say of their words what it said."""

from __future__ import annotations

import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.cut import cut
from spacy_llama_ner.data.partial import is_known

VOCAB = spacy.blank("en").vocab


def five_sentences() -> Doc:
    words = ["Ana", "left", ".", "New", "York", "is", "up-state", "Go", "Then", "?", "End"]
    ents = ["B-PER", "O", "O", "B-LOC", "I-LOC", "O", "O", "O", "", "", "O"]
    starts = [word[0].isupper() and word != "York" for word in words]
    return Doc(VOCAB, words=words, ents=ents, sent_starts=starts)


def test_pieces_have_so_many_sentences_and_the_last_one_the_rest() -> None:
    pieces = list(cut(five_sentences(), 2))
    assert [len(list(piece.sents)) for piece in pieces] == [2, 2, 1]
    assert [word.text for piece in pieces for word in piece] == [word.text for word in five_sentences()]


def test_entities_and_missing_annotation_come_along() -> None:
    pieces = list(cut(five_sentences(), 2))
    assert [[(ent.text, ent.label_) for ent in piece.ents] for piece in pieces] == [
        [("Ana", "PER"), ("New York", "LOC")],
        [],
        [],
    ]
    assert [known for piece in pieces for known in is_known(piece)] == is_known(five_sentences())


def test_a_piece_says_whether_its_spaces_are_those_of_the_text() -> None:
    doc = five_sentences()
    assert all(piece.has_unknown_spaces for piece in cut(doc, 2))
    doc.has_unknown_spaces = False
    assert not any(piece.has_unknown_spaces for piece in cut(doc, 2))


def test_a_doc_without_boundaries_and_no_cut_leave_it_whole() -> None:
    unmarked = Doc(VOCAB, words=["no", "boundaries"])
    assert list(cut(unmarked, 1)) == [unmarked]
    doc = five_sentences()
    assert list(cut(doc, 0)) == [doc]
