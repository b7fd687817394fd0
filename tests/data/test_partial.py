"""Docs of which not everything is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus

from spacy_llama_ner.data.docbin import write_docbin
from spacy_llama_ner.data.partial import agreed, is_known, known_parts

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
