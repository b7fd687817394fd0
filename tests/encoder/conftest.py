"""Fixtures of the encoder's tests: a user cache of their own, and tiny bases of every family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import build_tiny_encoder
from tests.encoder.samples import build_tiny_decoder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACY_LLAMA_NER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _built_on_demand(build: Callable[[Path, str], Path], factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in built:
            built[kind] = build(factory.mktemp(kind), kind)
        return built[kind]

    return folder


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the tiny random decoder of a model type, built when it is first asked for."""
    return _built_on_demand(build_tiny_decoder, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of the tiny random encoder of a model type, built when it is first asked for."""
    return _built_on_demand(build_tiny_encoder, tmp_path_factory)
