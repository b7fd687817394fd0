"""A saved encoder finds its base again, or says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import srsly
from safetensors.numpy import load_file, save_file
from thinc.api import Model

from spacy_llama_ner.base.check import fingerprint
from spacy_llama_ner.encoder import LlamaEncoder
from spacy_llama_ner.encoder.base_reference import BaseReference
from tests.encoder.samples import LORA, make_docs, make_encoder

DOCS = make_docs("UN praises Danish plan", "Anna")


@pytest.fixture
def base(tiny_llama: Path, tmp_path: Path) -> Path:
    """A base that a test may move, change or delete."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "work" / "base"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def load(data: bytes, base: str | Path, **settings: Any) -> Model:
    return LlamaEncoder(str(base), **{"lora": LORA, "dtype": "float32", **settings}).from_bytes(data)


def check_same(model: Model, other: Model) -> None:
    for given, expected in zip(model.predict(DOCS), other.predict(DOCS), strict=True):
        np.testing.assert_array_equal(given, expected)


def change_weights(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    weights["norm.weight"] = weights["norm.weight"] + 1
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["base", "./base", "../work/base"])
def test_a_relative_folder_is_found_from_another_working_directory(
    base: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(base.parent)
    model = make_encoder(Path(name))
    data = model.to_bytes()
    monkeypatch.chdir(elsewhere)
    check_same(load(data, name), model)


def test_another_folder_of_that_name_in_the_new_working_directory_is_passed_over(
    base: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base.parent)
    model = make_encoder(Path("base"))
    data = model.to_bytes()
    shutil.copytree(base, elsewhere / "base")
    change_weights(elsewhere / "base")
    monkeypatch.chdir(elsewhere)
    check_same(load(data, "base"), model)


def test_a_base_that_moved_is_named_in_the_config(base: Path, elsewhere: Path) -> None:
    model = make_encoder(base)
    data = model.to_bytes()
    moved = shutil.move(base, elsewhere / "moved")
    loaded = load(data, moved)
    check_same(loaded, model)
    # and where it is now is what the pipeline remembers from then on
    assert Path(loaded.shims[0].module.spec()["path"]) == moved


def test_a_base_that_is_gone_is_an_error_that_says_what_to_do(base: Path) -> None:
    data = make_encoder(base).to_bytes()
    shutil.rmtree(base)
    with pytest.raises(OSError, match="is not on this machine") as raised:
        load(data, base)
    message = str(raised.value)
    assert str(base) in message
    assert 'model.tok2vec.base": "FOLDER"' in message and "save_base = true" in message


@pytest.mark.parametrize(
    "change",
    [
        change_weights,
        lambda base: (base / "config.json").write_text(
            (base / "config.json").read_text().replace('"num_attention_heads": 4', '"num_attention_heads": 8')
        ),
    ],
)
def test_another_base_in_its_place_is_refused_with_both_fingerprints(base: Path, change: Any) -> None:
    data = make_encoder(base).to_bytes()
    expected = fingerprint(base)
    change(base)
    given = fingerprint(base)
    assert given != expected
    with pytest.raises(ValueError, match="is not the one this pipeline was trained on") as raised:
        load(data, base)
    assert given[:12] in str(raised.value) and expected[:12] in str(raised.value)


def test_a_base_that_was_cut_off_is_refused(base: Path) -> None:
    data = make_encoder(base).to_bytes()
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="Restore the original files"):
        load(data, base)


@pytest.mark.parametrize("base_is_there", [True, False])
def test_save_base_needs_nothing_else(base: Path, base_is_there: bool) -> None:
    model = make_encoder(base, save_base=True)
    data = model.to_bytes()
    if base_is_there:
        change_weights(base)
    else:
        shutil.rmtree(base)
    loaded = load(data, base, save_base=True)
    check_same(loaded, model)
    check_same(load(loaded.to_bytes(), base, save_base=True), model)


def test_save_base_loads_in_a_process_that_does_not_have_the_base_yet(base: Path) -> None:
    data = make_encoder(base, save_base=True).to_bytes()
    (expected,) = make_encoder(base, save_base=True).predict(DOCS[1:])
    shutil.rmtree(base)
    (given,) = load(data, base, save_base=True).predict(DOCS[1:])
    np.testing.assert_array_equal(given, expected)


def test_the_base_is_in_the_bytes_only_where_it_was_asked_for(base: Path) -> None:
    size = (base / "model.safetensors").stat().st_size
    without, with_base = (make_encoder(base, save_base=save).to_bytes() for save in (False, True))
    assert len(with_base) > len(without) + size


def test_whether_it_is_in_the_bytes_is_what_the_config_says_by_now(base: Path) -> None:
    without, with_base = (make_encoder(base, save_base=save).to_bytes() for save in (False, True))
    assert len(load(without, base, save_base=True).to_bytes()) == len(with_base)
    assert len(load(with_base, base, save_base=False).to_bytes()) == len(without)
    shutil.rmtree(base)
    assert len(load(with_base, base, save_base=False).to_bytes()) == len(with_base)  # it is nowhere else


def test_the_tokenizer_is_saved(base: Path) -> None:
    """What a word is cut into must not change under trained weights."""
    model = make_encoder(base)
    data = model.to_bytes()
    (base / "tokenizer.json").write_text((base / "tokenizer.json").read_text().replace('"Ġrejects"', '"ejected"'))
    check_same(load(data, base), model)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_bytes_that_were_cut_off_are_refused(tiny_llama: Path, fraction: float) -> None:
    data = make_encoder(tiny_llama).shims[0].to_bytes()
    shim = LlamaEncoder(str(tiny_llama), lora=LORA).shims[0]
    with pytest.raises(ValueError, match=r"saved weights are damaged .* Copy the pipeline again"):
        shim.from_bytes(data[: int(len(data) * fraction)])
    assert not shim.has_module


def test_weights_that_were_cut_off_are_refused(tiny_llama: Path) -> None:
    saved = srsly.msgpack_loads(make_encoder(tiny_llama).shims[0].to_bytes())
    saved["state"] = saved["state"][:-10]
    with pytest.raises(ValueError, match=r"saved weights are damaged"):
        LlamaEncoder(str(tiny_llama), lora=LORA).shims[0].from_bytes(srsly.msgpack_dumps(saved))


@pytest.mark.parametrize("settings", [{"lora": {"rank": 8}}, {"lora": None}, {"unfreeze_layers": 1}, {"layer": 1}])
def test_weights_of_another_config_are_refused(tiny_llama: Path, settings: dict[str, Any]) -> None:
    data = make_encoder(tiny_llama).to_bytes()
    with pytest.raises(ValueError, match="do not fit this pipeline's config"):
        load(data, tiny_llama, **settings)


def test_an_encoder_without_weights_stays_without(tiny_llama: Path) -> None:
    empty = LlamaEncoder(str(tiny_llama))
    loaded = LlamaEncoder(str(tiny_llama)).from_bytes(empty.to_bytes())
    with pytest.raises(ValueError, match="has no weights yet"):
        loaded.predict(DOCS)


def test_spec_and_back(base: Path) -> None:
    settings = make_encoder(base).attrs["settings"]
    origin = BaseReference.find(settings)
    assert (origin.name, origin.revision, origin.files) == (str(base), None, None)
    assert origin.path == str(base.resolve())
    assert origin.fingerprint == fingerprint(base)
    assert BaseReference.from_spec(settings, srsly.msgpack_loads(srsly.msgpack_dumps(origin.to_spec()))) == origin
