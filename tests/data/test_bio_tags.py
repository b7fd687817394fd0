"""Tags of every kind become BIO2, and every repair on the way is reported."""

from __future__ import annotations

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_llama_ner.data.bio_tags import doc_tags, is_iob1, repair_tags, split_tag, tag_spans, to_bio2


@pytest.mark.parametrize(
    ("tags", "fixed", "problems"),
    [
        (["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], []),
        (["O", "I-PER", "I-PER"], ["O", "B-PER", "I-PER"], [(1, "I- without B-")]),
        (["B-PER", "I-LOC"], ["B-PER", "B-LOC"], [(1, "I- without B-")]),
        (["B-PER", "[CLS]", "I-PER"], ["B-PER", "O", "B-PER"], [(1, "unknown tag"), (2, "I- without B-")]),
        (["B-PER", "-", "I-PER", "-"], ["B-PER", "-", "B-PER", "-"], [(2, "I- without B-")]),
        (["B-", "", "X-PER", "b-PER"], ["O"] * 4, [(i, "unknown tag") for i in range(4)]),
    ],
)
def test_repair(tags: list[str], fixed: list[str], problems: list[tuple[int, str]]) -> None:
    assert repair_tags(tags) == (fixed, problems)


def test_repair_drops_labels_that_are_not_allowed() -> None:
    fixed, problems = repair_tags(["B-PER", "B-FOOD", "I-FOOD"], labels={"PER"})
    assert fixed == ["B-PER", "O", "O"]
    assert problems == [(1, "label not allowed"), (2, "label not allowed")]


@pytest.mark.parametrize("tags", [["B-X", "I-X", "E-X", "S-X", "O"], ["B-X", "I-X", "L-X", "U-X", "O"]])
def test_bioes_and_bilou_are_only_another_spelling(tags: list[str]) -> None:
    assert repair_tags(tags) == (["B-X", "I-X", "I-X", "B-X", "O"], [])


def test_an_ended_entity_is_not_continued() -> None:
    assert repair_tags(["B-X", "E-X", "I-X"])[0] == ["B-X", "I-X", "B-X"]


def test_iob1_becomes_bio2() -> None:
    assert to_bio2(["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG"]) == [
        "B-PER",
        "I-PER",
        "B-PER",
        "O",
        "B-LOC",
        "B-ORG",
    ]


@pytest.mark.parametrize(
    ("sentences", "answer"),
    [
        ([["O", "I-PER", "B-PER"]], True),
        ([["B-PER", "I-PER"]], False),
        ([["O", "O"]], False),
        # a B- that follows no entity cannot be IOB1, so the I- is a lost start
        ([["O", "B-PER"], ["I-LOC", "O"]], False),
        # an entity does not reach over the end of its sentence
        ([["I-PER"], ["B-PER"]], False),
        ([["I-PER", "S-PER"]], False),
    ],
)
def test_iob1_is_told_from_bio2(sentences: list[list[str]], answer: bool) -> None:
    assert is_iob1(sentences) is answer


def test_split_tag_keeps_hyphens_in_labels() -> None:
    assert split_tag("B-work-of-art") == ("B", "work-of-art")
    assert split_tag("O") == ("O", "")
    assert split_tag("-DOCSTART-") is None


def test_tag_spans() -> None:
    tags = ["B-A", "I-A", "B-A", "O", "-", "B-work-of-art"]
    assert tag_spans(tags) == [(0, 2, "A"), (2, 3, "A"), (5, 6, "work-of-art")]


@pytest.mark.parametrize("tags", [["I-A"], ["B-A", "I-B"], ["B-A", "O", "I-A"]])
def test_tag_spans_refuses_tags_that_were_not_repaired(tags: list[str]) -> None:
    with pytest.raises(ValueError, match="continues no entity"):
        tag_spans(tags)


def test_doc_tags_tell_missing_from_outside() -> None:
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c", "d", "e"], ents=["B-X", "I-X", "B-X", "O", None])
    assert doc_tags(doc) == ["B-X", "I-X", "B-X", "O", "-"]
    assert doc_tags(spacy.blank("en")("Nothing known.")) == ["-", "-", "-"]


def test_doc_tags_of_a_blocked_token() -> None:
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c"])
    doc.set_ents([], blocked=[Span(doc, 0, 1)], default="missing")
    assert doc_tags(doc) == ["O", "-", "-"]
