"""What is written doc by doc is what spaCy writes at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_llama_ner.data.docbin_stream import DocBinStream


def docs(n: int) -> list[Doc]:
    """Docs of several lengths, with entities, spans, categories and words of their own."""
    nlp = spacy.blank("en")
    made = []
    for i in range(n):
        doc = nlp(f"Ida {i} waved. " * (i % 5)) if i % 3 else Doc(nlp.vocab, words=["Ünïcode", str(i)])
        doc.set_ents([doc[:1]] if not len(doc) else [spacy.tokens.Span(doc, 0, 1, label="NAME")])
        doc.spans["all"] = [doc[:]] if i % 4 == 1 else []
        doc.cats = {"odd": float(i % 2)} if i % 2 else {}
        made.append(doc)
    return made


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 300, 5000])
def test_the_file_is_the_same(tmp_path: Path, n: int) -> None:
    made = docs(n)
    with DocBinStream(tmp_path / "deep") as stream:
        for doc in made:
            stream.add(doc)
        stream.write(tmp_path / "stream.spacy")
    assert (tmp_path / "stream.spacy").read_bytes() == DocBin(docs=made).to_bytes()
    assert list((tmp_path / "deep").iterdir()) == []


def test_more_than_fits_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_llama_ner.data.docbin_stream.BINARY", {1: b"\xc4"})
    with DocBinStream(tmp_path) as stream, pytest.raises(ValueError, match="Write several files"):
        for doc in docs(20):
            stream.add(doc)
        stream.write(tmp_path / "stream.spacy")
