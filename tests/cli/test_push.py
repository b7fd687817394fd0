"""`llama-ner push`, to a stand-in of the Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from typer.testing import CliRunner, Result

from spacy_llama_ner.cli.app import app

from .hub import TOKEN, Hub, Repository, running


def forget_sessions() -> None:
    """Both kinds of huggingface_hub keep their HTTP session, with the network on or off."""
    for name in ("reset_sessions", "close_session"):
        getattr(huggingface_hub.utils, name, lambda: None)()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        forget_sessions()
        yield hub
    forget_sessions()


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder that looks like one; the Hub does not read what it gets."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", encoding="utf8")
    (folder / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 50)
    return folder


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["push", *map(str, args)])


def fails(*args: object) -> str:
    """Run it, expect exit code 1 without a traceback, and return what it prints, on one line."""
    result = run(*args)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


def succeeds(*args: object) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_pipeline_is_there_file_by_file(hub: Hub, model: Path) -> None:
    (model / ".meta.json.123.partial").write_text("left by a killed process", encoding="utf8")
    (model / "entity_ruler" / ".hidden").write_text("too", encoding="utf8")
    said = succeeds(model, "acme/ruler")
    (model / ".meta.json.123.partial").unlink()
    (model / "entity_ruler" / ".hidden").unlink()
    repository = hub.repositories["acme/ruler"]
    assert repository.branches == {"main": contents(model)}
    assert (repository.private, repository.tags, repository.commits) == (False, {}, ["Upload pipeline model"])
    assert f"{hub.url}/acme/ruler/commit/" in said


def test_an_adapter_on_a_branch_of_its_own(hub: Hub, adapter: Path) -> None:
    succeeds(adapter, "acme/pii", "--branch", "team/pii", "--private", "-m", "the first")
    repository = hub.repositories["acme/pii"]
    assert repository.branches == {"main": {}, "team/pii": contents(adapter)}
    assert (repository.private, repository.commits) == (True, ["the first"])
    # a second time, everything is there already
    succeeds(adapter, "acme/pii", "--branch", "team/pii")
    assert repository.commits[1:] == ["Upload adapter adapter"]


def test_a_tag_names_the_commit_and_does_not_move(hub: Hub, adapter: Path) -> None:
    succeeds(adapter, "acme/pii", "--tag", "v1")
    repository = hub.repositories["acme/pii"]
    assert [len(commit) for commit in repository.tags.values()] == [40]
    assert "has a tag 'v1' already, and tags do not move" in fails(adapter, "acme/pii", "--tag", "v1")
    assert len(repository.commits) == 1
    succeeds(adapter, "acme/pii", "--tag", "v2")
    assert list(repository.tags) == ["v1", "v2"] and len(set(repository.tags.values())) == 2


def test_a_repository_that_is_there_gets_it_too(hub: Hub, adapter: Path) -> None:
    hub.repositories["acme/pii"] = Repository(private=True)
    succeeds(adapter, "acme/pii")
    assert hub.repositories["acme/pii"].private and hub.repositories["acme/pii"].branches["main"]


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "does not accept the token"), (403, "may not write to acme/pii"), (500, "refused acme/pii (status 500)")],
)
def test_what_the_hub_says_is_handed_on(hub: Hub, adapter: Path, status: int, said: str) -> None:
    hub.refuse = status
    assert said in fails(adapter, "acme/pii")
    assert hub.repositories == {}


def test_a_wrong_token(hub: Hub, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_someone_else")
    assert "Log in again with `hf auth login`" in fails(adapter, "acme/pii")


def test_without_a_token(hub: Hub, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "There is no token for the Hub. Log in with `hf auth login`" in fails(adapter, "acme/pii")


def test_the_token_of_a_login(hub: Hub, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(TOKEN, encoding="utf8")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    succeeds(adapter, "acme/pii")


def test_offline(hub: Hub, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in fails(adapter, "acme/pii")


def test_a_hub_that_is_not_there(hub: Hub, adapter: Path) -> None:
    hub.shutdown()
    hub.server_close()
    assert f"The Hub at {hub.url} cannot be reached" in fails(adapter, "acme/pii")


@pytest.mark.parametrize("repo", ["a/b/c", "acme/--pii", "acme/p i i"])
def test_a_name_that_is_none(hub: Hub, adapter: Path, repo: str) -> None:
    assert "Give organisation/name" in fails(adapter, repo)
    assert hub.repositories == {}


def test_a_folder_that_is_neither(hub: Hub, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert "is no pipeline (it has no meta.json) and no adapter" in fails(folder, "acme/pii")
    assert hub.repositories == {}


def test_the_address_comes_from_the_environment(adapter: Path) -> None:
    with running() as hub:
        command = [sys.executable, "-m", "spacy", "llama-ner", "push", str(adapter), "acme/pii"]
        env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        done = subprocess.run(command, env=env, capture_output=True, encoding="utf8", timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr[-2000:]
        assert hub.repositories["acme/pii"].branches == {"main": contents(adapter)}
