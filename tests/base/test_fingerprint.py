from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.base import BaseModelError, fingerprint

from .samples import write_base, write_safetensors


@pytest.fixture
def base(tmp_path: Path, cache: Path) -> Path:
    return write_base(tmp_path / "base")


def test_same_for_a_copy_elsewhere_with_other_time_stamps(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy", copy_function=shutil.copyfile)
    assert fingerprint(copy) == fingerprint(base)
    assert len(fingerprint(base)) == 64


def test_same_whoever_wrote_the_config(base: Path) -> None:
    before = fingerprint(base)
    config = {
        "hidden_size": 8,
        "model_type": "llama",
        "transformers_version": "5.0",
        "_name_or_path": "elsewhere",
    }
    srsly.write_json(base / "config.json", config)
    assert fingerprint(base) == before


def test_differs_with_the_config(base: Path) -> None:
    before = fingerprint(base)
    srsly.write_json(base / "config.json", {"hidden_size": 9, "model_type": "llama"})
    assert fingerprint(base) != before


def test_differs_with_one_bit_of_the_weights(base: Path) -> None:
    before = fingerprint(base)
    content = bytearray((base / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (base / "model.safetensors").write_bytes(content)
    assert fingerprint(base) != before


def test_covers_every_shard(base: Path) -> None:
    (base / "model.safetensors").unlink()
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in shards:
        write_safetensors(base / name, name)
    srsly.write_json(base / "model.safetensors.index.json", {"weight_map": {name: name for name in reversed(shards)}})
    before = fingerprint(base)
    write_safetensors(base / shards[1], "another")
    assert fingerprint(base) != before


def test_folder_without_weights_has_none(base: Path) -> None:
    (base / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="holds no weights"):
        fingerprint(base)
