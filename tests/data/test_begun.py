"""Folders that may be taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.data.begun import BegunError, begin

RECORD = "run.json"


def test_the_same_job_is_taken_up_again(tmp_path: Path) -> None:
    for _ in range(2):
        begin(tmp_path / "out", {"steps": 3, "labels": ("A", "B"), "seed": None}, record=RECORD)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [RECORD]


@pytest.mark.parametrize(
    ("given", "other"),
    [({"steps": 4, "seed": 0}, "steps"), ({"steps": 3}, "seed"), ({"steps": 3, "seed": 0, "more": None}, "more")],
)
def test_another_job_is_refused(tmp_path: Path, given: dict, other: str) -> None:
    begin(tmp_path / "out", {"steps": 3, "seed": 0}, record=RECORD)
    with pytest.raises(BegunError, match=f"differs in {other}"):
        begin(tmp_path / "out", given, record=RECORD)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / RECORD).touch()
    with pytest.raises(BegunError, match=f"{RECORD}, which says what job has begun there, is damaged"):
        begin(tmp_path, {"steps": 3}, record=RECORD)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me", encoding="utf8")
    with pytest.raises(BegunError, match="is not empty"):
        begin(tmp_path, {"steps": 3}, record=RECORD)
    with pytest.raises(BegunError, match="is not empty"):
        begin(tmp_path / "notes.txt", {"steps": 3}, record=RECORD)


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / f".{RECORD}.7.partial").write_text("{", encoding="utf8")
    begin(tmp_path, {"steps": 3}, record=RECORD)
    assert (tmp_path / RECORD).is_file()
