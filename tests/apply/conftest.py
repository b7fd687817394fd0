"""A quick pipeline on disk, and texts to apply it to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apply.samples import TEXTS, write_lines
from tests.evaluate.sample import make_ruler


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`make_ruler`, to be read."""
    folder = tmp_path_factory.mktemp("ruler") / "model"
    make_ruler().to_disk(folder)
    return str(folder)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "texts.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])
