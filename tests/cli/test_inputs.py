"""What commands read."""

from __future__ import annotations

from pathlib import Path

from spacy_llama_ner.cli.inputs import read_docs

from ..evaluate.sample import write_corpus


def test_words_of_docs_from_a_file_know_whether_they_are_white_space(tmp_path: Path) -> None:
    (doc,) = read_docs(write_corpus(tmp_path / "a.spacy", [("It  rains", [])]))
    assert [(token.lower_, token.is_space) for token in doc] == [("it", False), (" ", True), ("rains", False)]
