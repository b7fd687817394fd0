from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from spacy_llama_ner.base import digest
from spacy_llama_ner.base.digest import MEMO, file_sha256, stream_sha256


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
    monkeypatch.setattr(digest, "stream_sha256", lambda stream: "read again")
    assert file_sha256(file) == sha256(b"first")


def test_changed_file_is_read_again(file: Path, cache: Path) -> None:
    file_sha256(file)
    file.write_bytes(b"other")
    settle(file, age=1800)
    assert file_sha256(file) == sha256(b"other")


def test_file_that_just_changed_is_not_remembered(file: Path, cache: Path) -> None:
    file.touch()
    assert file_sha256(file) == sha256(b"first")
    assert not (cache / MEMO).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"%s": "text"}', '{"%s": [1]}'])
def test_damaged_memo_is_ignored_and_mended(file: Path, cache: Path, content: str) -> None:
    cache.mkdir()
    (cache / MEMO).write_text(content.replace("%s", str(file)))
    assert file_sha256(file) == sha256(b"first")
    assert sha256(b"first") in (cache / MEMO).read_text()


def test_cache_that_cannot_be_written_costs_nothing_but_time(
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
    assert str(file) not in (cache / MEMO).read_text()
    assert str(other) in (cache / MEMO).read_text()
    assert [path.name for path in cache.iterdir()] == [MEMO], "no partial file is left"


def test_stream_is_copied_on_the_way() -> None:
    copy = io.BytesIO()
    assert stream_sha256(io.BytesIO(b"wheel"), copy_to=copy) == sha256(b"wheel")
    assert copy.getvalue() == b"wheel"
