"""A quick pipeline on disk, and gold data beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluate.sample import make_ruler, write_corpus


@pytest.fixture
def model(tmp_path: Path) -> Path:
    make_ruler().to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "gold.spacy")
