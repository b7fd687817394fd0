"""The API key is sent to the server, and is in no message, log or file."""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_llama_ner.cli.app import app
from spacy_llama_ner.llm.backends.base import BackendRefusedError, NoReplyError, RetryableError
from spacy_llama_ner.llm.backends.openai import OpenAIBackend
from tests.llm.scripted import request_for
from tests.llm.server import ScriptedServer

SECRET = "sk-very-secret-0123456789"


def ask(backend: OpenAIBackend) -> str:
    """The reply of a backend to a question about Ida."""

    async def ask_and_close() -> str:
        try:
            return (await backend.complete(request_for("Ida"))).text
        finally:
            await backend.close()

    return asyncio.run(ask_and_close())


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MY_KEY", f"  {SECRET}\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return "MY_KEY"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_a_key_that_a_server_repeats_is_not_shown(key: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(refuse=lambda body: (status, f"Incorrect API key provided: {SECRET}.")) as server:
        backend = OpenAIBackend(model="m", base_url=server.url, key_variable=key)
        with pytest.raises((NoReplyError, BackendRefusedError, RetryableError)) as caught:
            ask(backend)
    assert f"authorization: bearer {SECRET}" in server.headers[0].lower()
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "key provided: ***" in shown
    assert SECRET not in shown + caplog.text + repr(backend) + str(vars(backend))


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "schlüssel"])
def test_an_invalid_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("MY_KEY", bad)
    with pytest.raises(BackendRefusedError, match="MY_KEY has characters that no key has") as caught:
        OpenAIBackend(model="m", base_url="http://127.0.0.1:1/v1", key_variable="MY_KEY")
    assert bad not in str(caught.value)


def test_no_file_and_no_output_of_a_command_has_the_key(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_LOG", "debug")
    texts = tmp_path / "texts.txt"
    texts.write_text("Ask Ida\nAsk Tomas\n", encoding="utf8")
    refusals = iter([(500, SECRET), (429, SECRET), None, (400, SECRET), None])
    with ScriptedServer(refuse=lambda body: next(refusals, (401, SECRET))) as server:
        for number in range(3):
            command = ["annotate", str(texts), str(tmp_path / f"{number}.spacy"), "--labels", "NAME", "--model", "m"]
            command += ["--base-url", server.url, "--key-variable", key]
            result = CliRunner().invoke(app, command)
            assert SECRET not in result.output
    assert "(HTTP 401)" in result.output
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_openai_needs_a_key_and_other_servers_do_not(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendRefusedError, match="the environment variable OPENAI_API_KEY is empty"):
        OpenAIBackend(model="m")
    with ScriptedServer() as server:
        assert ask(OpenAIBackend(model="m", base_url=server.url)) == "[Ida](NAME)"
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert ask(OpenAIBackend(model="m")) == "[Ida](NAME)"
    assert SECRET not in "".join(server.headers)


def test_a_key_that_a_reply_repeats_is_masked(key: str, tmp_path: Path) -> None:
    with ScriptedServer(answer=lambda body: f"Ask Ida, not {SECRET}") as server:
        assert ask(OpenAIBackend(model="m", base_url=server.url, key_variable=key)) == "Ask Ida, not ***"
