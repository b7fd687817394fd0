"""The config and its corpora, for a tiny base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .samples import few_steps, write_corpora


@pytest.fixture
def overrides(tiny_llama: Path, tmp_path: Path) -> dict[str, Any]:
    return {**write_corpora(tmp_path / "corpus"), **few_steps(tiny_llama)}
