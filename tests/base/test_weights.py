from __future__ import annotations

from pathlib import Path

import pytest
import srsly

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.weights import INDEX, check_whole, weight_files

from .samples import write_safetensors


def test_single_file(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors")
    write_safetensors(tmp_path / "consolidated.safetensors")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_shards_of_the_index_by_name(tmp_path: Path) -> None:
    for name in ("b.safetensors", "a.safetensors"):
        write_safetensors(tmp_path / name)
    srsly.write_json(
        tmp_path / INDEX, {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    )
    assert [file.name for file in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]


def test_missing_shard_is_named(tmp_path: Path) -> None:
    srsly.write_json(tmp_path / INDEX, {"weight_map": {"x": "gone.safetensors"}})
    with pytest.raises(BaseModelError, match=r"gone\.safetensors"):
        weight_files(tmp_path)


def test_index_cannot_point_out_of_the_folder(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors")
    (tmp_path / "base").mkdir()
    srsly.write_json(tmp_path / "base" / INDEX, {"weight_map": {"x": "../model.safetensors"}})
    with pytest.raises(BaseModelError, match="lacks weights"):
        weight_files(tmp_path / "base")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}'])
def test_damaged_index_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(BaseModelError, match="is damaged"):
        weight_files(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("pytorch_model.bin", "as a pickle"),
        ("other.safetensors", r"found: other\.safetensors"),
        (None, "no weights"),
    ],
)
def test_no_safetensors_is_an_error_that_says_what_is_there(tmp_path: Path, file: str | None, said: str) -> None:
    if file:
        (tmp_path / file).write_bytes(b"")
    with pytest.raises(BaseModelError, match=said):
        weight_files(tmp_path)


def test_whole_file_passes(tmp_path: Path) -> None:
    check_whole(write_safetensors(tmp_path / "model.safetensors"))


@pytest.mark.parametrize("size", [0, 4, 8, 20, 90, -1])
def test_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    path = write_safetensors(tmp_path / "model.safetensors")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BaseModelError, match="is damaged"):
        check_whole(path)


@pytest.mark.parametrize("content", [b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]", b"\x08" + b"\0" * 7 + b'{"a": 1}'])
def test_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(BaseModelError, match="is damaged"):
        check_whole(tmp_path / "model.safetensors")
