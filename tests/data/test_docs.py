"""Docs made from other docs: copies, pairs with the same words, parts, and partial annotation."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.docs import (
    annotated_mask,
    annotated_parts,
    copy_to_vocab,
    merge_annotations,
    pair_by_words,
    split_by_sentences,
    unlabelled,
)

NLP = spacy.blank("en")


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
    (moved,) = copy_to_vocab([doc], vocab)
    assert moved.vocab is vocab
    assert moved.has_unknown_spaces
    assert [(ent.text, ent.label_) for ent in moved.ents] == [("Ana", "NAME")]
    assert [token.ent_iob for token in moved] == [3, 2, 0]


def five_sentences() -> Doc:
    words = ["Ana", "left", ".", "New", "York", "is", "up-state", "Go", "Then", "?", "End"]
    ents = ["B-PER", "O", "O", "B-LOC", "I-LOC", "O", "O", "O", "", "", "O"]
    starts = [word[0].isupper() and word != "York" for word in words]
    return Doc(NLP.vocab, words=words, ents=ents, sent_starts=starts)


def test_parts_have_so_many_sentences_and_the_last_one_the_rest() -> None:
    parts = list(split_by_sentences(five_sentences(), 2))
    assert [len(list(part.sents)) for part in parts] == [2, 2, 1]
    assert [word.text for part in parts for word in part] == [word.text for word in five_sentences()]


def test_entities_and_missing_annotation_come_along() -> None:
    parts = list(split_by_sentences(five_sentences(), 2))
    assert [[(ent.text, ent.label_) for ent in part.ents] for part in parts] == [
        [("Ana", "PER"), ("New York", "LOC")],
        [],
        [],
    ]
    assert [known for part in parts for known in annotated_mask(part)] == annotated_mask(five_sentences())


def test_a_part_says_whether_its_spaces_are_those_of_the_text() -> None:
    doc = five_sentences()
    assert all(part.has_unknown_spaces for part in split_by_sentences(doc, 2))
    doc.has_unknown_spaces = False
    assert not any(part.has_unknown_spaces for part in split_by_sentences(doc, 2))


def test_a_doc_stays_whole_without_boundaries_and_with_0_sentences() -> None:
    unmarked = Doc(NLP.vocab, words=["no", "boundaries"])
    assert list(split_by_sentences(unmarked, 1)) == [unmarked]
    doc = five_sentences()
    assert list(split_by_sentences(doc, 0)) == [doc]


def unannotated(*words: str) -> Doc:
    return Doc(Vocab(), words=list(words))


def test_docs_are_told_by_their_words_not_by_their_text() -> None:
    whole = unannotated("New York")
    pairs = list(
        pair_by_words([unannotated("New", "York"), unannotated("New York")], [unannotated("York", "New"), whole])
    )
    assert [other for _, other in pairs] == [None, whole]


def test_spaces_between_words_do_not_matter() -> None:
    nlp = spacy.blank("en")
    tokenized = nlp.make_doc("Seals eat fish.")
    ((_, found),) = pair_by_words([tokenized], [unannotated("Seals", "eat", "fish", ".")])
    assert found is not None


def test_of_several_with_the_same_words_the_first_is_taken() -> None:
    first, second = unannotated("It", "rained"), unannotated("It", "rained")
    pairs = list(pair_by_words([unannotated("It", "rained"), unannotated("It", "rained")], [first, second]))
    assert [other for _, other in pairs] == [first, first]


WORDS = ["Ada", "Quill", "met", "Bo", "in", "Rome"]


def annotated(tags: list[str]) -> Doc:
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
    ("other", "merged"),
    [
        (GOLD, GOLD),
        # another label
        (["B-PER", "I-PER", "O", "B-PER", "O", "B-ORG"], ["B-PER", "I-PER", "O", "B-PER", "O", ""]),
        # missed
        (["B-PER", "I-PER", "O", "O", "O", "B-LOC"], ["B-PER", "I-PER", "O", "", "O", "B-LOC"]),
        # other boundaries: the words of both are left open
        (["B-PER", "O", "O", "B-PER", "I-PER", "B-LOC"], ["", "", "O", "", "", "B-LOC"]),
        # added
        (["B-PER", "I-PER", "B-PER", "B-PER", "O", "B-LOC"], ["B-PER", "I-PER", "", "B-PER", "O", "B-LOC"]),
        # without annotation, it is left to the other
        (["", "", "", "B-PER", "", ""], GOLD),
        (["", "O", "", "", "", ""], ["", "", "O", "B-PER", "O", "B-LOC"]),
    ],
)
def test_two_annotations_of_the_same_words(other: list[str], merged: list[str]) -> None:
    assert tags_of(merge_annotations([annotated(GOLD), annotated(other)])) == merged
    assert tags_of(merge_annotations([annotated(other), annotated(GOLD)])) == merged


def test_words_that_no_doc_has_annotated_stay_open() -> None:
    one, other = ["B-PER", "I-PER", "", "", "", ""], ["", "", "", "B-PER", "", ""]
    assert tags_of(merge_annotations([annotated(one), annotated(other)])) == ["B-PER", "I-PER", "", "B-PER", "", ""]


def test_three_have_to_agree() -> None:
    docs = [annotated(GOLD), annotated(GOLD), annotated([*GOLD[:5], "O"])]
    assert tags_of(merge_annotations(docs)) == [*GOLD[:5], ""]


def test_the_docs_given_stay_as_they_are() -> None:
    one, other = annotated(GOLD), annotated(["O"] * 6)
    merge_annotations([one, other])
    assert tags_of(one) == GOLD and tags_of(other) == ["O"] * 6


def test_docs_of_other_words_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="do not have the same words"):
        merge_annotations([annotated(GOLD), NLP.make_doc("Ada Quill")])


@pytest.mark.parametrize(
    ("tags", "parts"),
    [
        (GOLD, [("Ada Quill met Bo in Rome", GOLD)]),
        (["B-PER", "I-PER", "", "", "O", "B-LOC"], [("Ada Quill", GOLD[:2]), ("in Rome", GOLD[4:])]),
        (["", "", "O", "", "", ""], [("met", ["O"])]),
        ([""] * 6, []),
    ],
)
def test_the_annotated_parts_are_docs_of_their_own(tags: list[str], parts: list[tuple[str, list[str]]]) -> None:
    assert [(doc.text.strip(), tags_of(doc)) for doc in annotated_parts(annotated(tags))] == parts


def test_an_annotated_part_says_whether_its_spaces_are_those_of_the_text() -> None:
    doc = annotated(["B-PER", "I-PER", "", "O", "O", ""])
    for unknown in (True, False):
        doc.has_unknown_spaces = unknown
        assert [part.has_unknown_spaces for part in annotated_parts(doc)] == [unknown, unknown]


def test_missing_annotation_survives_files_and_spacys_reader(tmp_path: Path) -> None:
    tags = ["B-PER", "I-PER", "", "", "O", ""]
    write_docbin([annotated(tags)], tmp_path / "partial.spacy")
    (read,) = DocBin().from_disk(tmp_path / "partial.spacy").get_docs(NLP.vocab)
    (example,) = Corpus(tmp_path / "partial.spacy")(NLP)
    assert tags_of(read) == tags_of(example.reference) == tags
    assert annotated_mask(example.reference) == [True, True, False, False, True, False]
