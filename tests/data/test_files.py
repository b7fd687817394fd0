"""Files and folders that are there in full or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spacy_llama_ner.data.files import RunManifestError, atomic_dir, atomic_write, begin


def fill(folder: Path, **files: str) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf8")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf8") for path in folder.iterdir()}


def test_a_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "new" / "file") as partial:
        partial.write_text("all", encoding="utf8")
        assert not (tmp_path / "new" / "file").exists()
    assert contents(tmp_path / "new") == {"file": "all"}


def test_a_file_stays_what_it_was_when_the_block_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old", encoding="utf8")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "file") as partial:
        partial.write_text("half", encoding="utf8")
        raise RuntimeError
    assert contents(tmp_path) == {"file": "old"}


@pytest.mark.parametrize("before", [None, {}, {"a": "old", "stray": "old"}])
def test_a_folder_takes_the_place_of_another(before: dict[str, str] | None, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    target.parent.mkdir()
    if before is not None:
        fill(target, **before)
    with atomic_dir(target) as partial:
        fill(partial, a="new", b="new")
        assert (contents(target) if target.exists() else None) == before
    assert contents(target) == {"a": "new", "b": "new"}
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("before", [None, {"a": "old"}])
def test_a_folder_stays_what_it_was_when_the_block_raises(before: dict[str, str] | None, tmp_path: Path) -> None:
    target = tmp_path / "folder"
    if before is not None:
        fill(target, **before)
    with pytest.raises(RuntimeError), atomic_dir(target) as partial:
        fill(partial, a="half")
        raise RuntimeError
    assert (contents(target) if target.exists() else None) == before
    assert len(list(tmp_path.iterdir())) == (before is not None)


def test_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "folder", a="old")
    monkeypatch.chdir(tmp_path / "folder")
    with atomic_dir(Path(".")) as partial:
        fill(partial, a="new")
    assert contents(tmp_path / "folder") == {"a": "new"}


def test_what_a_killed_process_of_the_same_number_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for end in ("partial", "replaced"):
        leftover = tmp_path / f".model.{os.getpid()}.{end}"
        leftover.mkdir()
        (leftover / "old").write_text("old")
    with atomic_dir(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["model", "model/new"]


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
    with pytest.raises(RunManifestError, match=f"differs in {other}"):
        begin(tmp_path / "out", given, record=RECORD)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / RECORD).touch()
    with pytest.raises(RunManifestError, match=f"{RECORD}, which says what job has begun there, is damaged"):
        begin(tmp_path, {"steps": 3}, record=RECORD)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me", encoding="utf8")
    with pytest.raises(RunManifestError, match="is not empty"):
        begin(tmp_path, {"steps": 3}, record=RECORD)
    with pytest.raises(RunManifestError, match="is not empty"):
        begin(tmp_path / "notes.txt", {"steps": 3}, record=RECORD)


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / f".{RECORD}.7.partial").write_text("{", encoding="utf8")
    begin(tmp_path, {"steps": 3}, record=RECORD)
    assert (tmp_path / RECORD).is_file()
