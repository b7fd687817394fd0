"""What commands read."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.cli.app import InputError, check_file, check_output, read_docs, read_overrides
from tests.evaluate.sample import write_corpus


def test_words_of_docs_from_a_file_know_whether_they_are_white_space(tmp_path: Path) -> None:
    (doc,) = read_docs(write_corpus(tmp_path / "a.spacy", [("It  rains", [])]))
    assert [(token.lower_, token.is_space) for token in doc] == [("it", False), (" ", True), ("rains", False)]


def test_a_command_does_not_write_over_a_corpus_or_a_folder(tmp_path: Path) -> None:
    check_file(tmp_path / "page.html", ".html")
    check_file(None, ".html")
    with pytest.raises(InputError, match="does not end in .html"):
        check_file(tmp_path / "dev.spacy", ".html")
    with pytest.raises(InputError, match="is a folder"):
        check_file(tmp_path, ".json")


def test_a_pipeline_takes_the_place_of_a_pipeline_alone(tmp_path: Path) -> None:
    (tmp_path / "meta.json").touch()
    with pytest.raises(InputError, match="other things than a pipeline"):
        check_output(tmp_path)
    (tmp_path / "config.cfg").touch()
    check_output(tmp_path)


def test_a_mistyped_option_is_told() -> None:
    assert read_overrides(["--training.seed", "1"]) == {"training.seed": 1}
    with pytest.raises(InputError, match="gpuid.* Settings of the config have a dot"):
        read_overrides(["--gpuid", "0"])
