"""Folders in the user cache are built once and whole, and digests of files are remembered there."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spacy_llama_ner.base import cache as cache_module
from spacy_llama_ner.base.cache import DIGESTS, build_once, cache_dir, file_sha256, stream_sha256
from spacy_llama_ner.base.errors import BaseModelError

BUILDER = """
import sys, time
from pathlib import Path
from spacy_llama_ner.base.cache import build_once

target, seconds = Path(sys.argv[1]), float(sys.argv[2])

def build(work):
    (work / "folder").mkdir()
    (work / "folder" / "half").write_text("half")
    print("building", flush=True)
    time.sleep(seconds)
    (work / "folder" / "done").write_text("done")
    return work / "folder"

build_once(target, build, is_ready=lambda folder: (folder / "done").is_file())
print("ready", flush=True)
"""


def is_done(folder: Path) -> bool:
    return (folder / "done").is_file()


def build(work: Path) -> Path:
    (work / "folder").mkdir()
    (work / "folder" / "done").write_text("here")
    return work / "folder"


def fail_to_build(work: Path) -> Path:
    raise AssertionError("built twice")


def start_builder(target: Path, *, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(target), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_environment_variable_overrides_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACY_LLAMA_NER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir().name == "spacy_llama_ner"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPACY_LLAMA_NER_CACHE", "mine")
    assert cache_dir() == tmp_path / "mine"


def test_built_once_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "bases" / "one"
    assert build_once(target, build, is_ready=is_done) == target
    assert build_once(target, fail_to_build, is_ready=is_done) == target
    assert [file.name for file in target.iterdir()] == ["done"]
    assert {file.name for file in target.parent.iterdir()} == {"one", "one.lock"}


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path) -> Path:
        build(work)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(tmp_path / "one", fail, is_ready=is_done)
    assert [file.name for file in tmp_path.iterdir()] == ["one.lock"]


def test_damaged_folder_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "one"
    target.mkdir()
    (target / "half").write_text("")
    build_once(target, build, is_ready=is_done)
    assert [file.name for file in target.iterdir()] == ["done"]


def test_what_a_killed_process_left_is_not_trusted_and_is_deleted(tmp_path: Path) -> None:
    target = tmp_path / "one"
    with start_builder(target, seconds=60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not target.exists()
    assert len(list(tmp_path.glob(".one.*"))) == 1, "the dead process leaves its work folder"
    build_once(target, build, is_ready=is_done)
    assert (target / "done").read_text() == "here"
    assert {file.name for file in tmp_path.iterdir()} == {"one", "one.lock"}


def test_a_second_process_waits_and_takes_the_result_of_the_first(tmp_path: Path) -> None:
    target = tmp_path / "one"
    with start_builder(target, seconds=3) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "building\n"
        with start_builder(target, seconds=3) as second:
            output, messages = second.communicate(timeout=60)
        assert first.wait(timeout=60) == 0
    assert output == "ready\n", "it did not build"
    assert "waiting" in messages


def test_threads_build_once(tmp_path: Path) -> None:
    built: list[Path] = []

    def count(work: Path) -> Path:
        built.append(work)
        return build(work)

    threads = [
        threading.Thread(target=build_once, args=(tmp_path / "one", count), kwargs={"is_ready": is_done})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert is_done(tmp_path / "one")


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BaseModelError, match="SPACY_LLAMA_NER_CACHE"):
        build_once(tmp_path / "file" / "one", build, is_ready=is_done)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was written an hour ago."""
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    settle(path)
    return path


def settle(path: Path, *, age: int = 3600) -> None:
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_second_call_does_not_read_the_file(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_sha256(file) == sha256(b"first")
    monkeypatch.setattr(cache_module, "stream_sha256", lambda stream: "read again")
    assert file_sha256(file) == sha256(b"first")


def test_changed_file_is_read_again(file: Path, cache: Path) -> None:
    file_sha256(file)
    file.write_bytes(b"other")
    settle(file, age=1800)
    assert file_sha256(file) == sha256(b"other")


def test_file_that_just_changed_is_not_remembered(file: Path, cache: Path) -> None:
    file.touch()
    assert file_sha256(file) == sha256(b"first")
    assert not (cache / DIGESTS).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"%s": "text"}', '{"%s": [1]}'])
def test_damaged_digests_are_ignored_and_replaced(file: Path, cache: Path, content: str) -> None:
    cache.mkdir()
    (cache / DIGESTS).write_text(content.replace("%s", str(file)))
    assert file_sha256(file) == sha256(b"first")
    assert sha256(b"first") in (cache / DIGESTS).read_text()


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in the way").write_text("")
    monkeypatch.setenv("SPACY_LLAMA_NER_CACHE", str(tmp_path / "in the way" / "cache"))
    assert file_sha256(file) == sha256(b"first")


def test_files_that_are_gone_are_forgotten(file: Path, tmp_path: Path, cache: Path) -> None:
    file_sha256(file)
    other = tmp_path / "other"
    file.rename(other)
    file_sha256(other)
    assert str(file) not in (cache / DIGESTS).read_text()
    assert str(other) in (cache / DIGESTS).read_text()
    assert [path.name for path in cache.iterdir()] == [DIGESTS], "no partial file is left"


def test_a_stream_is_copied_while_it_is_read() -> None:
    copy = io.BytesIO()
    assert stream_sha256(io.BytesIO(b"wheel"), copy_to=copy) == sha256(b"wheel")
    assert copy.getvalue() == b"wheel"
