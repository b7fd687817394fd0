"""Texts come from many kinds of files, tokenised or not, and what is no text is said to be none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import spacy
from pyarrow import parquet
from spacy.tokens import Doc, DocBin

from spacy_llama_ner.llm.texts import count_texts, read_texts
from tests.evaluate.sample import GOLD, gold_doc

NLP = spacy.blank("en")
TEXTS = [text for text, _ in GOLD]


def read(path: Path, **settings: Any) -> list[tuple[int, str | list[str]]]:
    """Numbers with words, or with what is wrong."""
    found = read_texts(path, spacy.blank("en"), **settings)
    return [(n, text if isinstance(text, str) else [token.text for token in text]) for n, text in found]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def test_every_kind_of_file_gives_the_same_texts(tmp_path: Path) -> None:
    files = [tmp_path / f"texts{suffix}" for suffix in (".txt", ".jsonl", ".parquet", ".spacy")]
    write(files[0], *TEXTS)
    write(files[1], *(json.dumps({"id": i, "text": text}) for i, text in enumerate(TEXTS)))
    parquet.write_table(pa.Table.from_pylist([{"text": text} for text in TEXTS]), files[2])
    DocBin(docs=[gold_doc(NLP, *row) for row in GOLD]).to_disk(files[3])
    for file in files:
        assert read(file) == [(i, [token.text for token in NLP(text)]) for i, text in enumerate(TEXTS, start=1)]
        assert count_texts(file) == len(TEXTS)
    docs = [text for _, text in read_texts(files[3], NLP)]
    assert all(isinstance(doc, Doc) and not doc.ents for doc in docs)


def test_words_stay_as_they_are(tmp_path: Path) -> None:
    words = ["Do", "n't", "call", "Ida@home", "."]
    rows = [{"tokens": words}, {"words": words, "id": 1}, {"tokens": words, "text": "Don't  call Ida@home."}]
    path = write(tmp_path / "texts.jsonl", *map(json.dumps, rows))
    docs = [text for _, text in read_texts(path, NLP)]
    assert [doc.text.strip() for doc in docs if isinstance(doc, Doc)] == [
        "Do n't call Ida@home .",
        "Do n't call Ida@home .",
        "Don't  call Ida@home.",
    ]
    assert all([token.text for token in doc if not token.is_space] == words for doc in docs if isinstance(doc, Doc))
    DocBin(docs=[Doc(NLP.vocab, words=words)]).to_disk(tmp_path / "texts.spacy")
    assert read(tmp_path / "texts.spacy") == [(1, words)]


def test_what_is_no_text_is_named_and_numbered(tmp_path: Path) -> None:
    lines = ["{", "[1]", '{"id": 1}', '{"text": 7}', "", '{"text": "Ida"}', '{"text": " "}', '{"tokens": "Ida"}']
    lines += ['{"tokens": ["Ida", ""]}', '{"tokens": ["Ida"], "text": "Tomas"}', '{"text": "\\ud800"}']
    found = read(write(tmp_path / "texts.jsonl", *lines))
    assert [number for number, _ in found] == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    starts = [
        "not JSON",
        "expected an object",
        "expected a string at 'text', got nothing",
        "expected a string",
        "Ida",
    ]
    starts += [
        "the text is empty",
        "expected a list of words",
        "expected a list of words",
        "the words are not",
        "no Uni",
    ]
    for (_, got), start in zip(found, starts, strict=True):
        assert got == ["Ida"] if start == "Ida" else isinstance(got, str) and got.startswith(start)


def test_plain_lines_may_be_dirty(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(b"\xef\xbb\xbfIda\r\n\n  \n\xff\xfe\nTomas waved")
    found = read(path)
    assert found[0] == (1, ["Ida"])
    assert found[1][0] == 4 and str(found[1][1]).startswith("not UTF-8")
    assert found[2] == (5, ["Tomas", "waved"])


def test_another_field_can_hold_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "texts.jsonl", '{"body": "Ask Ida"}')
    assert read(path, text_key="body") == [(1, ["Ask", "Ida"])]


@pytest.mark.parametrize(("name", "problem"), [("texts.csv", "is no .txt, .jsonl"), ("none.txt", "There is no file")])
def test_other_files_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "texts.csv").write_text("x", encoding="utf8")
    with pytest.raises(ValueError, match=problem):
        count_texts(tmp_path / name)
    with pytest.raises(ValueError, match=problem):
        read(tmp_path / name)
