"""What commands read and check before they work."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import spacy
import srsly

from spacy_llama_ner.cli.inputs import (
    InputError,
    blank_language,
    check_output_file,
    check_pipeline_output,
    config_errors,
    corpus_files,
    load_entity_pipeline,
    load_pipeline,
    read_docs,
    read_overrides,
    use_device,
)
from spacy_llama_ner.data.errors import LlamaNERError
from tests.evaluate.sample import write_corpus


def test_words_of_docs_from_a_file_know_whether_they_are_white_space(tmp_path: Path) -> None:
    (doc,) = read_docs(write_corpus(tmp_path / "a.spacy", [("It  rains", [])]))
    assert [(token.lower_, token.is_space) for token in doc] == [("it", False), (" ", True), ("rains", False)]


def test_train_dev_and_test_are_read_first(tmp_path: Path) -> None:
    for name in ("alpha", "dev", "test", "train", ".hidden"):
        write_corpus(tmp_path / f"{name}.spacy")
    assert [file.stem for file in corpus_files(tmp_path)] == ["train", "dev", "test", "alpha"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no DocBin",
        zlib.compress(b"no msgpack"),
        zlib.compress(srsly.msgpack_dumps(["a", "list"])),
        zlib.compress(srsly.msgpack_dumps({"version": 0.1})),
        zlib.compress(srsly.msgpack_dumps({"attrs": [1], "tokens": b"123", "lengths": b"1", "strings": []})),
    ],
)
def test_a_corrupt_corpus(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "corrupt.spacy").write_bytes(content)
    with pytest.raises(InputError, match="corrupt.spacy cannot be read; is it whole?"):
        list(read_docs(tmp_path / "corrupt.spacy"))


def test_a_command_does_not_write_over_a_corpus_or_a_folder(tmp_path: Path) -> None:
    check_output_file(tmp_path / "page.html", ".html")
    check_output_file(None, ".html")
    with pytest.raises(InputError, match="does not end in .html. Give a file that does. An option takes one value"):
        check_output_file(tmp_path / "dev.spacy", ".html")
    with pytest.raises(InputError, match="is a folder"):
        check_output_file(tmp_path, ".json")


def test_a_pipeline_takes_the_place_of_a_pipeline_alone(tmp_path: Path) -> None:
    (tmp_path / "meta.json").touch()
    with pytest.raises(InputError, match="other things than a pipeline"):
        check_pipeline_output(tmp_path)
    (tmp_path / "config.cfg").touch()
    check_pipeline_output(tmp_path)


def test_a_mistyped_option_is_told() -> None:
    assert read_overrides(["--training.seed", "1"]) == {"training.seed": 1}
    with pytest.raises(InputError, match="gpuid.* Settings of the config have a dot"):
        read_overrides(["--gpuid", "0"])


@pytest.mark.parametrize("gpu_id", [0, 77])
def test_a_gpu_that_is_not_there(gpu_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def require_gpu(number: int) -> None:
        # as cupy says it on a machine that has other GPUs
        raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    monkeypatch.setattr("spacy.cli._util.require_gpu", require_gpu)
    with pytest.raises(InputError, match=f"GPU {gpu_id} cannot be used. For the CPU, give --gpu-id -1."):
        use_device(gpu_id)


def test_a_language_that_spacy_does_not_have() -> None:
    with pytest.raises(InputError, match="spaCy has no language 'zz'"):
        blank_language("zz")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.cfg", b"[nlp\n"),
        ("config.cfg", b"[nlp]\nlang = ${paths.lang}\n"),
        ("config.cfg", b'[nlp]\nlang = "zz"\npipeline = []\n'),
        (
            "config.cfg",
            b'[nlp]\nlang = "en"\npipeline = ["no_such"]\n[components]\n[components.no_such]\nfactory = "no"',
        ),
        ("config.cfg", b'[nlp]\nlang = "Zo\xeb"\n'),
        ("meta.json", b"{"),
        ("vocab/strings.json", b"["),
        ("tokenizer", b"\xff"),
        ("entity_ruler/patterns.jsonl", b"{"),
    ],
)
def test_a_pipeline_that_is_damaged(file: str, content: bytes, model: Path) -> None:
    assert (model / file).is_file()
    (model / file).write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded. Give the folder that `spacy train` wrote"):
        load_pipeline(str(model))


def test_a_pipeline_whose_entities_are_in_span_groups_alone(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("llama_ner", config={"overwrite": None})
    nlp.to_disk(tmp_path)
    assert load_pipeline(str(tmp_path)).pipe_names == ["llama_ner"]
    with pytest.raises(InputError, match="leaves `doc.ents` alone: its entities are in the span groups"):
        load_entity_pipeline(str(tmp_path))


def test_errors_of_a_config_name_it_and_others_stay() -> None:
    with (
        pytest.raises(InputError, match="The config a.cfg cannot be used.*\nhidden = 0"),
        config_errors(Path("a.cfg")),
    ):
        raise ValueError("hidden = 0; expected 1 or more.")
    with pytest.raises(LlamaNERError, match="^exactly so$"), config_errors(Path("a.cfg")):
        raise LlamaNERError("exactly so")
    with pytest.raises(RuntimeError), config_errors(Path("a.cfg")):
        raise RuntimeError("a bug")
