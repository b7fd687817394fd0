"""One trained tiny pipeline for all who only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from tests.pipeline.recognisers import make_recogniser
from tests.pipeline.samples import learn_by_heart, make_examples, make_nlp


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


@pytest.fixture(scope="session")
def recognisers(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of two pipelines on one base: `people` knows the NAMEs of the corpus, `days` its DATEs."""
    folder = tmp_path_factory.mktemp("recognisers")
    for name, label in (("people", "NAME"), ("days", "DATE")):
        make_recogniser(tiny_llama, label).to_disk(folder / name)
    return {name: folder / name for name in ("people", "days")}
