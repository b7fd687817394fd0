"""Files and folders are written whole or not at all, and a run is only resumed with the settings it began with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spacy_llama_ner.data.files import RunManifest, RunManifestError, atomic_dir, atomic_write, write_page


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


def test_the_working_directory_can_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "folder", a="old")
    monkeypatch.chdir(tmp_path / "folder")
    with atomic_dir(Path(".")) as partial:
        fill(partial, a="new")
    assert contents(tmp_path / "folder") == {"a": "new"}


def test_leftovers_of_a_killed_process_with_the_same_id_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for end in ("partial", "replaced"):
        leftover = tmp_path / f".model.{os.getpid()}.{end}"
        leftover.mkdir()
        (leftover / "old").write_text("old")
    with atomic_dir(tmp_path / "model") as partial:
        partial.mkdir()
        (partial / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["model", "model/new"]


def test_a_page_is_written_even_if_a_name_in_it_is_not_valid_unicode(tmp_path: Path) -> None:
    write_page("<p>caf\udce9</p>", tmp_path / "page.html")
    assert contents(tmp_path) == {"page.html": "<p>caf?</p>"}


@pytest.fixture
def manifest(tmp_path: Path) -> RunManifest:
    """The manifest of a run that has begun."""
    manifest = RunManifest(tmp_path / "out" / "run.json", {"steps": 3, "labels": ("A", "B"), "seed": None})
    manifest.begin_or_resume()
    return manifest


def test_a_run_begins_with_its_manifest_and_can_be_resumed(manifest: RunManifest) -> None:
    written = manifest.path.read_bytes()
    manifest.begin_or_resume()
    assert [path.name for path in manifest.path.parent.iterdir()] == ["run.json"]
    assert manifest.path.read_bytes() == written


@pytest.mark.parametrize(
    ("content", "other"),
    [
        ({"steps": 4, "labels": ["A", "B"], "seed": None}, "steps"),
        ({"steps": 3, "labels": ["A", "B"]}, "seed"),
        ({"steps": 3, "labels": ["A", "B"], "seed": None, "more": None}, "more"),
        ({"steps": 3, "labels": ["B", "A"], "seed": 0}, "labels, seed"),
    ],
)
def test_other_settings_are_refused(manifest: RunManifest, content: dict[str, Any], other: str) -> None:
    with pytest.raises(RunManifestError, match=f"a run has begun that differs in {other}. Give the same"):
        RunManifest(manifest.path, content).begin_or_resume()


def test_a_damaged_manifest_is_refused(manifest: RunManifest) -> None:
    manifest.path.write_bytes(b"")
    with pytest.raises(RunManifestError, match=r"run\.json, the manifest of the run in this folder, is damaged"):
        manifest.begin_or_resume()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me", encoding="utf8")
    with pytest.raises(RunManifestError, match="is not empty"):
        RunManifest(tmp_path / "run.json", {"steps": 3}).begin_or_resume()
    with pytest.raises(RunManifestError, match="is not empty"):
        RunManifest(tmp_path / "notes.txt" / "run.json", {"steps": 3}).begin_or_resume()
    assert contents(tmp_path) == {"notes.txt": "keep me"}


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".run.json.7.partial").write_text("{", encoding="utf8")
    RunManifest(tmp_path / "run.json", {"steps": 3}).begin_or_resume()
    assert (tmp_path / "run.json").is_file()
