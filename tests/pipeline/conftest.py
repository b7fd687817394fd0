"""One trained tiny pipeline for all who only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from .samples import learn_by_heart, make_examples, make_nlp


@pytest.fixture(scope="session")
def trained_folder(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that knows the corpus of `samples`, on disk."""
    nlp = make_nlp(tiny_llama)
    learn_by_heart(nlp, make_examples(nlp))
    folder = tmp_path_factory.mktemp("trained") / "pipeline"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def trained(trained_folder: Path) -> Language:
    """The same in memory, for tests that leave it as it is."""
    return spacy.load(trained_folder)


@pytest.fixture
def nlp(trained_folder: Path) -> Language:
    """The same, for a test to do with it what it likes."""
    return spacy.load(trained_folder)


@pytest.fixture
def blank(tiny_llama: Path) -> Language:
    """An untrained pipeline."""
    return make_nlp(tiny_llama)
