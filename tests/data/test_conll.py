"""CoNLL columns, clean and otherwise, become documents of sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.data.conll import Sentence, read_conll
from spacy_llama_ner.data.report import Report

FOUR = """\
-DOCSTART- -X- -X- O

Ada NNP I-NP I-PER
sails VBZ I-VP O

Kiel NNP I-NP I-LOC
Bonn NNP B-NP B-LOC

-DOCSTART- -X- -X- O

Rain NN I-NP O
"""
TWO = "Ada B-PER\nsails O\n\nKiel B-LOC\n"


def read(tmp_path: Path, text: str | bytes, **options: set[str]) -> tuple[list[list[Sentence]], Report]:
    path = tmp_path / "input.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    report = Report(str(path), "line")
    return read_conll(path, report, **options), report


def test_four_columns_in_iob1(tmp_path: Path) -> None:
    documents, report = read(tmp_path, FOUR)
    assert documents == [
        [
            Sentence(["Ada", "sails"], ["B-PER", "O"], ["NNP", "VBZ"], ["B-NP", "B-VP"]),
            Sentence(["Kiel", "Bonn"], ["B-LOC", "B-LOC"], ["NNP", "NNP"], ["B-NP", "B-NP"]),
        ],
        [Sentence(["Rain"], ["O"], ["NN"], ["B-NP"])],
    ]
    assert not report.problems


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.rstrip("\n"),
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.replace(" ", "\t"),
        TWO.replace(" ", " \t  "),
        TWO.replace("\n\n", "\n \t\n\n   \n"),
        TWO.replace("\n", " \n"),
        "-DOCSTART- O\n" + TWO,
        "\n\n-DOCSTART-\n\n" + TWO + "\n\n\n-DOCSTART- -X- O O\n\n",
    ],
    ids=[
        "plain",
        "no last newline",
        "crlf",
        "bom",
        "tabs",
        "mixed",
        "blank lines",
        "trailing",
        "docstart",
        "docstarts",
    ],
)
def test_two_columns_in_every_layout(tmp_path: Path, text: str) -> None:
    documents, report = read(tmp_path, text)
    assert documents == [[Sentence(["Ada", "sails"], ["B-PER", "O"]), Sentence(["Kiel"], ["B-LOC"])]]
    assert not report.problems


def test_docstart_ends_a_sentence_without_a_blank_line(tmp_path: Path) -> None:
    documents, _ = read(tmp_path, "Ada B-PER\n-DOCSTART- O\nKiel B-LOC\n")
    assert [[sentence.words for sentence in document] for document in documents] == [[["Ada"]], [["Kiel"]]]


def test_unicode_line_breaks_and_spaces_are_part_of_a_word(tmp_path: Path) -> None:
    documents, _ = read(tmp_path, "10\u00a0000 O\na\u2028b O\n\x85 B-X\n")
    assert documents[0][0].words == ["10\u00a0000", "a\u2028b", "\x85"]


def test_comments_before_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    [[one, two]], report = read(tmp_path, "# id 7 domain=en\nBo _ _ B-PER\n\n# _ _ O\n1 _ _ O\n")
    assert (one.words, two.words) == (["Bo"], ["#", "1"])
    assert [(p.at, p.problem, p.action) for p in report.problems] == [(1, "comment", "repaired")]


def test_dirty_tags_are_repaired_and_counted_by_line(tmp_path: Path) -> None:
    documents, report = read(tmp_path, "Ada B-PER\nsails [CLS]\n\nnear O\nKiel I-LOC\n")
    assert [sentence.ner for sentence in documents[0]] == [["B-PER", "O"], ["O", "B-LOC"]]
    assert [(p.at, p.problem, p.action) for p in report.problems] == [
        (2, "unknown tag", "repaired"),
        (5, "I- without B-", "repaired"),
    ]
    assert report.problems[1].detail == "'Kiel': I-LOC became B-LOC"


def test_other_labels_than_the_allowed_are_dropped_and_counted(tmp_path: Path) -> None:
    documents, report = read(tmp_path, TWO, labels={"PER"})
    assert [sentence.ner for sentence in documents[0]] == [["B-PER", "O"], ["O"]]
    assert [(p.at, p.problem) for p in report.problems] == [(4, "label not allowed")]


def test_a_malformed_line_rejects_its_sentence_and_no_other(tmp_path: Path) -> None:
    documents, report = read(tmp_path, "lost\nwords O\n\nAda B-PER\n\na b c O\n\nKiel B-LOC\n")
    assert [sentence.words for sentence in documents[0]] == [["Ada"], ["Kiel"]]
    assert [(p.at, p.problem, p.action) for p in report.problems] == [
        (1, "malformed line", "rejected"),
        (6, "malformed line", "rejected"),
    ]
    assert "4 columns, not 2" in report.problems[1].detail


@pytest.mark.parametrize("text", ["", "\n\n", "Plain prose without any tags.\n", "-DOCSTART- -X- -X- O\n"])
def test_what_is_no_conll_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="not in CoNLL format"):
        read(tmp_path, text)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not UTF-8"):
        read(tmp_path, "Köln B-LOC\n".encode("latin-1"))
