"""Label Studio's API: tokens, faults, and what is said about them."""

from __future__ import annotations

import pytest

from spacy_llama_ner.experts import studio as module
from spacy_llama_ner.experts.studio import TOKEN_VARIABLE, Studio, StudioError, StudioSilentError

from .stand_in import PERSONAL, StandIn


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS", (0.0, 0.0))


def test_without_a_token_nothing_is_sent(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE)
    with pytest.raises(StudioError, match="no token for .*set the environment variable LABEL_STUDIO_API_KEY"):
        Studio(stand_in.url)
    assert stand_in.requests == []


@pytest.mark.parametrize("url", ["", "localhost:8080", "file:///etc/passwd", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(StudioError, match="is no address of a server. Give one such as http://localhost:8080"):
        Studio(url)


def test_a_refused_token_is_not_tried_again(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "of-somebody-else")
    with pytest.raises(StudioError, match="refuses the token .status 401.. Copy a valid one") as caught:
        Studio(stand_in.url).find_project("any")
    assert len(stand_in.requests) == 1
    assert "of-somebody-else" not in str(caught.value)


def test_a_personal_token_is_exchanged_and_again_when_it_has_run_out(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, PERSONAL)
    server = Studio(stand_in.url)
    assert server.find_project("any") is None
    stand_in.expired = True
    server.import_tasks(1, [{"data": {"text": "a", "key": "b"}}])
    assert stand_in.requests.count("POST /api/token/refresh") == 2
    assert len(stand_in.stored) == 1


def test_what_passes_is_tried_again(stand_in: StandIn) -> None:
    stand_in.faults = [503, 429]
    assert Studio(stand_in.url).find_project("any") is None
    assert len(stand_in.requests) == 3


def test_what_does_not_pass_is_not(stand_in: StandIn) -> None:
    stand_in.faults = [404]
    with pytest.raises(StudioError, match="GET /api/projects/ at .* failed with status 404.*scripted"):
        Studio(stand_in.url).find_project("any")
    assert len(stand_in.requests) == 1


def test_tasks_are_never_sent_twice(stand_in: StandIn) -> None:
    stand_in.faults = [503]
    with pytest.raises(StudioSilentError):
        Studio(stand_in.url).import_tasks(1, [{"data": {}}])
    assert len(stand_in.requests) == 1


def test_a_redirection_is_not_followed(stand_in: StandIn) -> None:
    stand_in.faults = [302]
    with pytest.raises(StudioError, match="sends us on to http://elsewhere.example. Give that address"):
        Studio(stand_in.url).find_project("any")


def test_a_server_that_is_not_there(stand_in: StandIn) -> None:
    server = Studio("http://127.0.0.1:9")
    with pytest.raises(StudioSilentError, match="Is it running, and the address right.*goes on where it was"):
        server.find_project("any")


def test_all_pages_are_read(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    server = Studio(stand_in.url)
    server.import_tasks(7, [{"data": {"text": str(i), "key": str(i)}} for i in range(5)])
    assert [task["data"]["key"] for task in server.tasks(7)] == ["0", "1", "2", "3", "4"]
    assert list(server.tasks(8)) == []
