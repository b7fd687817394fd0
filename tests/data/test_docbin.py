"""A DocBin is written doc by doc, whole or not at all, with the bytes that spaCy would write, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_llama_ner.data.docbin import DocBinStream, write_docbin
from spacy_llama_ner.data.errors import DataError


def two_docs() -> list[Doc]:
    vocab = spacy.blank("en").vocab
    first = Doc(vocab, words=["Ada", "sails", "Rain"], ents=["B-PER", "O", "O"], sent_starts=[True, False, True])
    return [first, Doc(vocab, words=["Bob"], ents=["B-PER"])]


def test_the_summary_counts(tmp_path: Path) -> None:
    summary = write_docbin(two_docs(), tmp_path / "new" / "a.spacy")
    assert (summary.docs, summary.sentences, summary.tokens) == (2, 3, 4)
    assert summary.entities == {"PER": 2}


def test_the_same_docs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.spacy", "b.spacy"):
        write_docbin(two_docs(), tmp_path / name)
    assert (tmp_path / "a.spacy").read_bytes() == (tmp_path / "b.spacy").read_bytes()


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_half_way(self: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    path = tmp_path / "a.spacy"
    write_docbin(two_docs(), path)
    before = path.read_bytes()
    monkeypatch.setattr("spacy_llama_ner.data.docbin.DocBinStream.write", breaks_half_way)
    with pytest.raises(OSError, match="disk full"):
        write_docbin(two_docs(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_to_write_is_an_error(tmp_path: Path) -> None:
    def none() -> Iterator[Doc]:
        yield from ()

    with pytest.raises(DataError, match="no usable text"):
        write_docbin(none(), tmp_path / "a.spacy")
    assert not list(tmp_path.iterdir())


def varied_docs(n: int) -> list[Doc]:
    """Docs of several lengths, with entities, spans, categories and words of their own."""
    nlp = spacy.blank("en")
    docs = []
    for i in range(n):
        doc = nlp(f"Ida {i} waved. " * (i % 5)) if i % 3 else Doc(nlp.vocab, words=["Ünïcode", str(i)])
        doc.set_ents([doc[:1]] if not len(doc) else [spacy.tokens.Span(doc, 0, 1, label="NAME")])
        doc.spans["all"] = [doc[:]] if i % 4 == 1 else []
        doc.cats = {"odd": float(i % 2)} if i % 2 else {}
        docs.append(doc)
    return docs


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 300, 5000])
def test_the_bytes_are_those_that_spacy_writes(tmp_path: Path, n: int) -> None:
    docs = varied_docs(n)
    with DocBinStream(tmp_path / "deep") as stream:
        for doc in docs:
            stream.add(doc)
        stream.write(tmp_path / "stream.spacy")
    assert (tmp_path / "stream.spacy").read_bytes() == DocBin(docs=docs).to_bytes()
    assert list((tmp_path / "deep").iterdir()) == []


def test_more_than_a_file_can_hold_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_llama_ner.data.docbin.BINARY", {1: b"\xc4"})
    with DocBinStream(tmp_path) as stream, pytest.raises(DataError, match="Write several files"):
        for doc in varied_docs(20):
            stream.add(doc)
        stream.write(tmp_path / "stream.spacy")
