"""Files of JSON records, and the shapes that a record may have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spacy_llama_ner.data.errors import DataError
from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.data.records import TaggedPiece, parse_record, read_records

RECORDS = [{"text": "a", "labels": []}, {"text": "b\u2028c", "labels": []}]


def read(path: Path, text: str) -> tuple[list[tuple[int, object]], ProblemReport]:
    path.write_text(text, encoding="utf-8")
    report = ProblemReport(str(path))
    return list(read_records(path, report)), report


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_list(tmp_path: Path, name: str, indent: int | None) -> None:
    records, report = read(tmp_path / name, "\ufeff" + json.dumps(RECORDS, indent=indent))
    assert records == list(enumerate(RECORDS, start=1))
    assert report.unit == "record"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt"])
def test_jsonl_is_numbered_by_line(tmp_path: Path, name: str) -> None:
    lines = "\n" + "\r\n\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS)
    records, report = read(tmp_path / name, lines)
    assert records == [(2, RECORDS[0]), (4, RECORDS[1])]
    assert report.unit == "line"
    assert not report.problems


def test_one_record_is_a_file_too(tmp_path: Path) -> None:
    assert read(tmp_path / "a.json", json.dumps(RECORDS[0], indent=1))[0] == [(1, RECORDS[0])]


def test_invalid_lines_are_rejected_one_by_one(tmp_path: Path) -> None:
    records, report = read(tmp_path / "a.jsonl", '{"text": "a"\n' + "[" * 100_000 + '\n{"text": "b"}\n```\n')
    assert records == [(3, {"text": "b"})]
    assert [(p.at, p.problem, p.action) for p in report.problems] == [
        (at, "invalid JSON", "rejected") for at in (1, 2, 4)
    ]


def test_a_broken_list_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not valid JSON: .*line 2 column"):
        read(tmp_path / "a.json", '[{"text": "a"},\n{"text": ]')


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes('{"text": "Köln"}'.encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8"):
        list(read_records(tmp_path / "a.json", ProblemReport("a")))


def test_a_key_that_stands_twice_is_not_lost(tmp_path: Path) -> None:
    records, report = read(tmp_path / "a.jsonl", '{"text": "6 or 6", "labels": {"6": "B-T", "6": "B-T"}}')
    assert parse_record(records[0][1], at=1, report=report) == (
        "6 or 6",
        [TaggedPiece("6", "B-T"), TaggedPiece("6", "B-T")],
    )


@pytest.mark.parametrize(
    "given",
    [
        {"labels": [["6", "B-TIME"], ["pm", " I-TIME "]]},
        {"labels": {"6": "B-TIME", "pm": "I-TIME"}, "entities": None, "id": 3},
    ],
)
def test_labels(given: dict[str, object]) -> None:
    report = ProblemReport("a")
    parsed = parse_record({"text": "6 pm", **given}, at=1, report=report)
    assert parsed == ("6 pm", [TaggedPiece("6", "B-TIME"), TaggedPiece("pm", "I-TIME")])
    assert not report.problems


def test_entities() -> None:
    report = ProblemReport("a")
    entities = [{"text": "6 pm", "label": "TIME"}, {"text": "Bo", "label": "NAME", "start": 5, "end": 7}]
    parsed = parse_record({"text": "6 pm Bo", "entities": entities}, at=1, report=report)
    assert parsed == ("6 pm Bo", [TaggedPiece("6 pm", "B-TIME"), TaggedPiece("Bo", "B-NAME", (5, 7))])
    assert not report.problems


def test_an_entity_with_the_label_o_is_none() -> None:
    report = ProblemReport("a")
    entities = [{"text": "Bo", "label": "O"}]
    assert parse_record({"text": "Bo", "entities": entities}, at=1, report=report) == ("Bo", [TaggedPiece("Bo", "O")])


def test_entities_by_their_offsets_alone() -> None:
    report = ProblemReport("a")
    parsed = parse_record(
        {"text": "6 pm Bo", "entities": [{"label": "NAME", "start": 5, "end": 7}]}, at=1, report=report
    )
    assert parsed == ("6 pm Bo", [TaggedPiece("Bo", "B-NAME", (5, 7))])
    assert not report.problems


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (["text"], "not an object"),
        ("text", "not an object"),
        (None, "not an object"),
        ({"labels": []}, "no text"),
        ({"text": 5, "labels": []}, "text is no string"),
        ({"text": " \n", "labels": []}, "text is empty"),
        ({"text": "\ud800", "labels": []}, "not valid Unicode"),
        ({"text": "a"}, 'needs either "labels" or "entities"'),
        ({"text": "a", "labels": [], "entities": []}, "not both"),
        ({"text": "a", "labels": "B-X"}, "labels are no list"),
        ({"text": "a", "entities": {"a": "X"}}, "labels are no list"),
    ],
)
def test_unusable_records_are_rejected(record: object, why: str) -> None:
    report = ProblemReport("a")
    assert parse_record(record, at=9, report=report) is None
    [problem] = report.problems
    assert (problem.at, problem.problem, problem.action) == (9, "unusable record", "rejected")
    assert why in problem.detail


@pytest.mark.parametrize(
    "given",
    [
        {"labels": ["B-X"]},
        {"labels": [["a"]]},
        {"labels": [["a", "B-X", 1]]},
        {"labels": [["a", None]]},
        {"labels": [["a", "B-\ud800"]]},
        {"labels": [[1.5, "B-X"]]},
        {"labels": [[True, "B-X"]]},
        {"labels": [[" ", "B-X"]]},
        {"labels": {"a": 1}},
        {"entities": [["a", "X"]]},
        {"entities": [{"text": "a"}]},
        {"entities": [{"label": "X"}]},
        {"entities": [{"label": "X", "start": 0, "end": 2}]},
        {"entities": [{"label": "X", "start": "0", "end": 1}]},
    ],
)
def test_unusable_pieces_are_rejected_and_the_rest_is_kept(given: dict[str, object]) -> None:
    report = ProblemReport("a")
    assert parse_record({"text": "a", **given}, at=1, report=report) == ("a", [])
    assert [(p.problem, p.action) for p in report.problems] == [("unusable piece", "rejected")]


def test_a_whole_number_is_taken_as_text() -> None:
    report = ProblemReport("a")
    assert parse_record({"text": "at 6", "labels": [[6, "B-T"]]}, at=1, report=report) == (
        "at 6",
        [TaggedPiece("6", "B-T")],
    )
    assert [(p.problem, p.action) for p in report.problems] == [("number for text", "repaired")]


def test_a_tag_in_the_place_of_a_label_is_taken_as_the_tag() -> None:
    report = ProblemReport("a")
    entities = [{"text": "a", "label": "B-X"}, {"text": "b", "label": "work-of-art"}]
    parsed = parse_record({"text": "a b", "entities": entities}, at=1, report=report)
    assert parsed == ("a b", [TaggedPiece("a", "B-X"), TaggedPiece("b", "B-work-of-art")])
    assert [(p.problem, p.action) for p in report.problems] == [("tag for label", "repaired")]
