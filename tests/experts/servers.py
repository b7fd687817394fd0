"""Label Studio servers for tests of any folder: the stand-in always, a real one where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spacy_llama_ner.experts import label_studio_oracle
from spacy_llama_ner.experts.label_studio_oracle import TOKEN_VARIABLE
from tests.experts.expert import Expert
from tests.experts.real_studio import VARIABLE, real_studio
from tests.experts.stand_in import TOKEN, StandIn


@pytest.fixture(scope="session")
def real_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real server, one for all tests."""
    executable = os.environ.get(VARIABLE)
    if not executable:
        pytest.skip(f"{VARIABLE} names no Label Studio; `make studio` runs this with one")
    with real_studio(Path(executable).absolute(), tmp_path_factory.mktemp("label-studio")) as url:
        yield url


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    # it is never busy with what a killed process has sent
    monkeypatch.setattr(label_studio_oracle, "SETTLE_SECONDS", 0.01)
    with StandIn() as server:
        yield server


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.studio)])
def expert(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Expert:
    """An expert at a server of each kind; the token is in the environment."""
    if request.param == "real":
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        return Expert(request.getfixturevalue("real_url"), TOKEN)
    return Expert(request.getfixturevalue("stand_in").url, TOKEN)
