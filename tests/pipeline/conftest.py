"""Trained tiny pipelines. `tests/integration` and `tests/training` import these fixtures, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from tests.pipeline.samples import learn_by_heart, make_examples, make_nlp, make_one_label_nlp


@pytest.fixture(scope="session")
def trained_folder(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pipeline that has learned the corpus of `samples`."""
    nlp = make_nlp(tiny_llama)
    learn_by_heart(nlp, make_examples(nlp))
    folder = tmp_path_factory.mktemp("trained") / "pipeline"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="session")
def trained(trained_folder: Path) -> Language:
    """The same pipeline in memory, for tests that do not change it."""
    return spacy.load(trained_folder)


@pytest.fixture
def nlp(trained_folder: Path) -> Language:
    """The same pipeline, which a test may change."""
    return spacy.load(trained_folder)


@pytest.fixture
def blank(tiny_llama: Path) -> Language:
    """An untrained pipeline."""
    return make_nlp(tiny_llama)


@pytest.fixture(scope="session")
def people_and_days(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of two pipelines on one base: `people` finds the NAMEs of the corpus, `days` its DATEs."""
    folder = tmp_path_factory.mktemp("people-and-days")
    for name, label in (("people", "NAME"), ("days", "DATE")):
        make_one_label_nlp(tiny_llama, label).to_disk(folder / name)
    return {name: folder / name for name in ("people", "days")}
