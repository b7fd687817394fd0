"""Records of every format: what is read, and what is written of it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
import spacy
import srsly
from pyarrow import parquet
from spacy.tokens import DocBin

from spacy_llama_ner.cli.apply import apply
from tests.apply.samples import TEXTS, expected, read_lines, spans, write_lines
from tests.cli.helpers import succeeds
from tests.pipeline.samples import learn_by_heart, make_examples, make_nlp


def test_entities_of_llama_ner_carry_their_scores(tiny_llama: Path, tmp_path: Path) -> None:
    nlp = make_nlp(tiny_llama)
    learn_by_heart(nlp, make_examples(nlp))
    nlp.to_disk(tmp_path / "model")
    source = write_lines(tmp_path / "in.jsonl", [{"text": "Ask Mia Brook about the boat on Friday"}])
    apply(str(tmp_path / "model"), source, tmp_path / "out")
    (record,) = read_lines(tmp_path / "out")
    assert [(ent["text"], ent["label"]) for ent in record["ents"]] == [("Mia Brook", "NAME"), ("Friday", "DATE")]
    assert all(0.5 < ent["score"] <= 1 for ent in record["ents"])


def test_every_format_can_come_in_and_go_out(model: str, lines: Path, tmp_path: Path) -> None:
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    table, docs = tmp_path / "texts.parquet", tmp_path / "texts.spacy"
    parquet.write_table(pa.Table.from_pylist(rows), table, row_group_size=4)
    nlp = spacy.blank("en")
    DocBin(docs=[nlp.make_doc(text) for text in TEXTS]).to_disk(docs)
    for source in (lines, table, docs):
        for form in ("jsonl", "parquet", "spacy"):
            folder = tmp_path / f"{source.name}-{form}"
            succeeds("apply", model, source, folder, "--format", form, "--part-size", 7)
            assert read_any(folder, f".{form}") == list(zip(TEXTS, expected(model), strict=True)), folder


def read_any(folder: Path, suffix: str) -> list[tuple[str, list[tuple[int, int, str]]]]:
    parts = sorted(folder.glob(f"part-*{suffix}"))
    assert len(parts) == 4
    if suffix == ".spacy":
        vocab = spacy.blank("en").vocab
        docs = [doc for part in parts for doc in DocBin().from_disk(part).get_docs(vocab)]
        return [(doc.text, [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]) for doc in docs]
    if suffix == ".parquet":
        rows = [row for part in parts for row in parquet.read_table(part).to_pylist()]
    else:
        rows = read_lines(folder)
    return [(row["text"], spans(row["ents"])) for row in rows]


def test_texts_are_as_long_and_as_odd_as_they_come(model: str, tmp_path: Path) -> None:
    long = "Tomas " * 200_000
    source = tmp_path / "in.jsonl"
    odd = '{"text": "half a pair: \\ud83d"}'
    source.write_text(f"{json.dumps({'text': long})}\n{odd}\n{json.dumps({'text': TEXTS[0]})}\n", encoding="utf8")
    assert "1 records hold no text" in succeeds("apply", model, source, tmp_path / "out")
    first, second = read_lines(tmp_path / "out")
    assert len(first["ents"]) == 200_000
    assert spans(second["ents"]) == expected(model)[0]


def test_columns_of_any_type_go_through(model: str, tmp_path: Path) -> None:
    when = datetime(2026, 11, 21, 6, 30)
    parquet.write_table(pa.Table.from_pylist([{"text": TEXTS[0], "when": when}]), tmp_path / "in.parquet")
    for form in ("jsonl", "parquet", "spacy"):
        succeeds("apply", model, tmp_path / "in.parquet", tmp_path / form, "--format", form)
    assert read_lines(tmp_path / "jsonl")[0]["when"] == "2026-11-21 06:30:00"
    (row,) = parquet.read_table(tmp_path / "parquet" / "part-000000.parquet").to_pylist()
    assert json.loads(row["fields"]) == {"when": "2026-11-21 06:30:00"}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_numbers_that_json_has_no_word_for_become_null(model: str, tmp_path: Path, form: str) -> None:
    rows = [{"text": TEXTS[0], "odd": [float("nan"), 1.5]}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    succeeds("apply", model, tmp_path / "in.parquet", tmp_path / "out", "--format", form)
    if form == "jsonl":
        (row,) = srsly.read_jsonl(tmp_path / "out" / "part-000000.jsonl")
        assert row["odd"] == [None, 1.5]
    else:
        (row,) = parquet.read_table(tmp_path / "out" / "part-000000.parquet").to_pylist()
        assert row["fields"] == '{"odd": [null, 1.5]}'


@pytest.mark.parametrize("form", ["jsonl", "spacy", "parquet"])
def test_fields_that_were_cut_within_an_emoji_go_through(model: str, tmp_path: Path, form: str) -> None:
    lines = write_lines(tmp_path / "texts.jsonl", [{"text": TEXTS[0], "title": "cut \ud83d"}])
    succeeds("apply", model, lines, tmp_path / "out", "--format", form)
    if form == "jsonl":
        assert read_lines(tmp_path / "out")[0]["title"] == "cut \ud83d"


def test_entities_in_a_docbin_are_found_anew(model: str, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([doc.char_span(0, 4, label="WRONG")])
    DocBin(docs=[doc]).to_disk(tmp_path / "in.spacy")
    apply(model, tmp_path / "in.spacy", tmp_path / "out")
    assert spans(read_lines(tmp_path / "out")[0]["ents"]) == expected(model)[0]
