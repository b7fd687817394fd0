"""Docs without their annotation."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.docs import agreed, cut, in_vocab, is_known, known_parts, match_words, unlabelled


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


NLP = spacy.blank("en")
WORDS = ["Ada", "Quill", "met", "Bo", "in", "Rome"]


def make_doc(tags: list[str]) -> Doc:
    """A doc of `WORDS` with these BIO tags; "" where nothing is known."""
    doc = Doc(NLP.vocab, words=WORDS)
    spans: list[tuple[int, int, str]] = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            spans.append((i, i + 1, tag[2:]))
        elif tag.startswith("I-"):
            spans[-1] = (spans[-1][0], i + 1, tag[2:])
    missing = [doc[i : i + 1] for i, tag in enumerate(tags) if not tag]
    doc.set_ents([Span(doc, *span) for span in spans], missing=missing, default="outside")
    return doc


def tags_of(doc: Doc) -> list[str]:
    return [f"{token.ent_iob_}-{token.ent_type_}".rstrip("-") for token in doc]


GOLD = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (GOLD, GOLD),
        # called otherwise
        (["B-PER", "I-PER", "O", "B-PER", "O", "B-ORG"], ["B-PER", "I-PER", "O", "B-PER", "O", ""]),
        # not seen
        (["B-PER", "I-PER", "O", "O", "O", "B-LOC"], ["B-PER", "I-PER", "O", "", "O", "B-LOC"]),
        # cut elsewhere: the words of both are open
        (["B-PER", "O", "O", "B-PER", "I-PER", "B-LOC"], ["", "", "O", "", "", "B-LOC"]),
        # invented
        (["B-PER", "I-PER", "B-PER", "B-PER", "O", "B-LOC"], ["B-PER", "I-PER", "", "B-PER", "O", "B-LOC"]),
        # one who does not know leaves it to the other
        (["", "", "", "B-PER", "", ""], GOLD),
        (["", "O", "", "", "", ""], ["", "", "O", "B-PER", "O", "B-LOC"]),
    ],
)
def test_what_two_say_of_the_same_words(other: list[str], together: list[str]) -> None:
    assert tags_of(agreed([make_doc(GOLD), make_doc(other)])) == together
    assert tags_of(agreed([make_doc(other), make_doc(GOLD)])) == together


def test_what_nobody_knows_stays_open() -> None:
    one, other = ["B-PER", "I-PER", "", "", "", ""], ["", "", "", "B-PER", "", ""]
    assert tags_of(agreed([make_doc(one), make_doc(other)])) == ["B-PER", "I-PER", "", "B-PER", "", ""]


def test_three_have_to_agree() -> None:
    docs = [make_doc(GOLD), make_doc(GOLD), make_doc([*GOLD[:5], "O"])]
    assert tags_of(agreed(docs)) == [*GOLD[:5], ""]


def test_the_docs_given_stay_as_they_are() -> None:
    one, other = make_doc(GOLD), make_doc(["O"] * 6)
    agreed([one, other])
    assert tags_of(one) == GOLD and tags_of(other) == ["O"] * 6


def test_docs_of_other_words_cannot_agree() -> None:
    with pytest.raises(ValueError, match="do not have the same words"):
        agreed([make_doc(GOLD), NLP.make_doc("Ada Quill")])


@pytest.mark.parametrize(
    ("tags", "parts"),
    [
        (GOLD, [("Ada Quill met Bo in Rome", GOLD)]),
        (["B-PER", "I-PER", "", "", "O", "B-LOC"], [("Ada Quill", GOLD[:2]), ("in Rome", GOLD[4:])]),
        (["", "", "O", "", "", ""], [("met", ["O"])]),
        ([""] * 6, []),
    ],
)
def test_the_known_parts_are_docs_of_their_own(tags: list[str], parts: list[tuple[str, list[str]]]) -> None:
    assert [(doc.text.strip(), tags_of(doc)) for doc in known_parts(make_doc(tags))] == parts


def test_a_known_part_says_whether_its_spaces_are_those_of_the_text() -> None:
    doc = make_doc(["B-PER", "I-PER", "", "O", "O", ""])
    for unknown in (True, False):
        doc.has_unknown_spaces = unknown
        assert [part.has_unknown_spaces for part in known_parts(doc)] == [unknown, unknown]


def test_what_is_not_known_goes_through_files_and_spacys_reader(tmp_path: Path) -> None:
    tags = ["B-PER", "I-PER", "", "", "O", ""]
    write_docbin([make_doc(tags)], tmp_path / "partial.spacy")
    (read,) = DocBin().from_disk(tmp_path / "partial.spacy").get_docs(NLP.vocab)
    (example,) = Corpus(tmp_path / "partial.spacy")(NLP)
    assert tags_of(read) == tags_of(example.reference) == tags
    assert is_known(example.reference) == [True, True, False, False, True, False]
