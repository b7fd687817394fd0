"""`apply`: what goes in comes out, once, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apply.samples import TEXTS, expected, read_lines, spans, write_lines
from tests.cli.helpers import contents, fails, succeeds


@pytest.fixture(scope="module")
def model(saved_ruler: Path) -> str:
    """Not a copy of the test's own: expectations of the whole module are those of one pipeline."""
    return str(saved_ruler)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "texts.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])


def test_records_keep_their_order_and_fields_and_get_entities(model: str, lines: Path, tmp_path: Path) -> None:
    succeeds("apply", model, lines, tmp_path / "out", "--part-size", 10)
    names = ["job.json", "part-000000.jsonl", "part-000001.jsonl", "part-000002.jsonl"]
    assert sorted(contents(tmp_path / "out")) == names
    found = read_lines(tmp_path / "out")
    assert [(record["id"], record["text"]) for record in found] == list(enumerate(TEXTS))
    assert [spans(record["ents"]) for record in found] == expected(model)
    assert found[0]["ents"][0] == {"start": 5, "end": 13, "label": "NAME", "text": "Ida Holm", "score": None}


def test_the_text_may_have_another_name(model: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"body": TEXTS[0]}])
    succeeds("apply", model, source, tmp_path / "out", "--text-key", "body")
    (record,) = read_lines(tmp_path / "out")
    assert spans(record["ents"]) == expected(model)[0]


def test_what_cannot_be_read_is_named(model: str, lines: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and nothing more")
    half = tmp_path / "half.spacy"
    half.write_bytes(b"\x00\x01")
    for source, message in [
        (tmp_path / "missing.jsonl", "does not exist"),
        (tmp_path / "empty", "holds none"),
        (torn, "cannot be read; is it whole?"),
        (half, "cannot be read; is it whole?"),
    ]:
        assert message in fails("apply", model, source, tmp_path / "out" / source.stem)
    assert "cannot be loaded" in fails("apply", tmp_path / "no model", lines, tmp_path / "out")


def test_workers_are_for_ray(model: str, lines: Path, tmp_path: Path) -> None:
    assert "--workers is for --engine ray" in fails("apply", model, lines, tmp_path / "lone", "--workers", 2)
