from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from spacy_llama_ner.base import BaseModelError, locate
from spacy_llama_ner.base.hub import HUB_ID, snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put_in_hub_cache(root: Path, base: Path) -> Path:
    """Lay a base out as huggingface_hub caches the repository `acme/tiny`."""
    repository = root / "models--acme--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return shutil.copytree(base, repository / "snapshots" / COMMIT)


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, with the network off."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


class Recorder:
    """Stands in for snapshot_download: gives a folder, or raises."""

    def __init__(self, result: Path | Exception) -> None:
        self.result = result
        self.asked: dict[str, Any] = {}

    def __call__(self, repo_id: str, **asked: Any) -> str:
        self.asked = {"repo_id": repo_id, **asked}
        if isinstance(self.result, Exception):
            raise self.result
        return str(self.result)


def failure(kind: type[Exception]) -> Exception:
    """An error of huggingface_hub, whose signatures differ between versions."""
    error = kind.__new__(kind)
    error.args = ("said by the Hub",)
    return error


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_cached_base_is_found_offline(hub_cache: Path, tiny_llama: Path, revision: str | None) -> None:
    folder = put_in_hub_cache(hub_cache, tiny_llama)
    assert locate("acme/tiny", revision=revision) == folder


def test_base_that_is_not_cached_says_what_to_do_offline(hub_cache: Path) -> None:
    with pytest.raises(BaseModelError, match=r"(?s)'acme/tiny' cannot be had: HF_HUB_OFFLINE.*llama-ner fetch"):
        locate("acme/tiny")


def test_other_revision_is_not_taken_instead(hub_cache: Path, tiny_llama: Path) -> None:
    put_in_hub_cache(hub_cache, tiny_llama)
    with pytest.raises(BaseModelError, match="at revision 'v2' cannot be had"):
        locate("acme/tiny", revision="v2")


def test_repository_without_safetensors_is_refused(hub_cache: Path, tiny_llama: Path) -> None:
    (put_in_hub_cache(hub_cache, tiny_llama) / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="no safetensors weights for the base 'acme/tiny'"):
        locate("acme/tiny")


def test_no_pickle_and_no_code_is_asked_for(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fnmatch import fnmatch

    download = Recorder(tiny_llama)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert snapshot("acme/tiny", revision="v1") == tiny_llama
    assert (download.asked["repo_id"], download.asked["revision"]) == ("acme/tiny", "v1")
    assert download.asked["local_files_only"] is False
    offered = [
        "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "tokenizer.json",
        "pytorch_model.bin", "modeling_acme.py", "original/model.safetensors", "consolidated.safetensors",
        "model.gguf", "adapter_config.json", "training_args.pt",
    ]  # fmt: skip
    taken = [name for name in offered if any(fnmatch(name, pattern) for pattern in download.asked["allow_patterns"])]
    assert taken == offered[:4]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (errors.GatedRepoError, "accepted its licence"),
        (errors.RepositoryNotFoundError, "no model 'acme/tiny'"),
        (errors.RevisionNotFoundError, "no revision 'v1'"),
        (errors.LocalEntryNotFoundError, "the Hub did not give it"),
        (ConnectionError, "the Hub did not give it"),
    ],
)
def test_errors_of_the_hub_say_what_to_do(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], said: str) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", Recorder(failure(kind)))
    with pytest.raises(BaseModelError, match=said):
        snapshot("acme/tiny", revision="v1")


@pytest.mark.parametrize(
    ("name", "is_id"),
    [
        ("meta-llama/Llama-3.2-1B", True),
        ("Qwen/Qwen2.5-0.5B", True),
        ("gpt2", False),
        ("./folder/base", False),
        ("../base", False),
        ("./base", False),
        ("~/base", False),
        ("/srv/base", False),
        ("a/b/c", False),
        ("a/", False),
    ],
)
def test_form_of_a_hub_id(name: str, is_id: bool) -> None:
    assert bool(HUB_ID.fullmatch(name)) is is_id
