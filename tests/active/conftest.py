"""The config and its corpora, for a tiny base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.active.samples import few_steps, write_corpora


@pytest.fixture(scope="session")
def overrides(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {**write_corpora(tmp_path_factory.mktemp("corpus")), **few_steps(tiny_llama)}
