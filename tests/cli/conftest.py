"""Quick pipelines on disk, and gold data beside them."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from tests.evaluate.overconfident import make_overconfident, write_gold
from tests.evaluate.sample import make_ruler, write_corpus


@pytest.fixture(scope="session")
def saved_ruler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make_ruler`, to be read."""
    folder = tmp_path_factory.mktemp("ruler") / "model"
    make_ruler().to_disk(folder)
    return folder


@pytest.fixture
def model(saved_ruler: Path, tmp_path: Path) -> Path:
    """`make_ruler`, in a folder of the test's own."""
    return Path(copytree(saved_ruler, tmp_path / "model"))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Gold data of which the ruler gets a part right."""
    return write_corpus(tmp_path / "gold.spacy")


@pytest.fixture(scope="session")
def overconfident(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained `llama_ner` that is too sure of itself (model), and gold data beside it (dev.spacy), to be read."""
    folder = tmp_path_factory.mktemp("overconfident")
    nlp = make_overconfident(tiny_llama)
    nlp.to_disk(folder / "model")
    write_gold(folder / "dev.spacy", nlp)
    return folder
