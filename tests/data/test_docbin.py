"""A DocBin is written whole or not at all, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.docbin import write_docbin


def docs() -> list[Doc]:
    vocab = spacy.blank("en").vocab
    first = Doc(vocab, words=["Ada", "sails", "Rain"], ents=["B-PER", "O", "O"], sent_starts=[True, False, True])
    return [first, Doc(vocab, words=["Bob"], ents=["B-PER"])]


def test_the_summary_counts(tmp_path: Path) -> None:
    summary = write_docbin(docs(), tmp_path / "new" / "a.spacy")
    assert (summary.docs, summary.sentences, summary.tokens) == (2, 3, 4)
    assert summary.entities == {"PER": 2}


def test_the_same_docs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.spacy", "b.spacy"):
        write_docbin(docs(), tmp_path / name)
    assert (tmp_path / "a.spacy").read_bytes() == (tmp_path / "b.spacy").read_bytes()


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_half_way(self: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    path = tmp_path / "a.spacy"
    write_docbin(docs(), path)
    before = path.read_bytes()
    monkeypatch.setattr("spacy_llama_ner.data.docbin_stream.DocBinStream.write", breaks_half_way)
    with pytest.raises(OSError, match="disk full"):
        write_docbin(docs(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_to_write_is_an_error(tmp_path: Path) -> None:
    def none() -> Iterator[Doc]:
        yield from ()

    with pytest.raises(ValueError, match="no usable text"):
        write_docbin(none(), tmp_path / "a.spacy")
    assert not list(tmp_path.iterdir())
