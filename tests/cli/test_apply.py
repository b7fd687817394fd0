"""`apply`: what goes in comes out, once, in order, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import spacy
import srsly
from pyarrow import parquet
from spacy.tokens import DocBin

import spacy_llama_ner.apply.engines
from spacy_llama_ner.apply.job import ApplyJob, run_part
from spacy_llama_ner.cli.apply import apply
from tests.cli.helpers import contents, fails, succeeds
from tests.evaluate.sample import GOLD
from tests.pipeline.samples import learn_by_heart, make_examples, make_nlp

N = 23
TEXTS = [f"{GOLD[i % len(GOLD)][0]} ({i})" for i in range(N)]


@pytest.fixture(scope="module")
def model(saved_ruler: Path) -> str:
    """Not a copy of the test's own: expectations of the whole module are those of one pipeline."""
    return str(saved_ruler)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "texts.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])


def write_lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return path


def read_lines(folder: Path) -> list[dict[str, Any]]:
    parts = sorted(folder.glob("part-??????.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text(encoding="utf8").splitlines()]


def expected(model: str) -> list[list[tuple[int, int, str]]]:
    docs = spacy.load(model).pipe(TEXTS)
    return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]


def spans(ents: list[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [(ent["start"], ent["end"], ent["label"]) for ent in ents]


def test_records_keep_their_order_and_fields_and_get_entities(model: str, lines: Path, tmp_path: Path) -> None:
    succeeds("apply", model, lines, tmp_path / "out", "--part-size", 10)
    names = ["job.json", "part-000000.jsonl", "part-000001.jsonl", "part-000002.jsonl"]
    assert sorted(contents(tmp_path / "out")) == names
    found = read_lines(tmp_path / "out")
    assert [(record["id"], record["text"]) for record in found] == list(enumerate(TEXTS))
    assert [spans(record["ents"]) for record in found] == expected(model)
    assert found[0]["ents"][0] == {"start": 5, "end": 13, "label": "NAME", "text": "Ida Holm", "score": None}


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


def test_a_folder_is_read_file_by_file(model: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    write_lines(source / "b.jsonl", [{"text": TEXTS[2]}, {"text": TEXTS[3]}])
    write_lines(source / "a.jsonl", [{"text": TEXTS[0]}, {"text": TEXTS[1]}])
    write_lines(source / "deep" / "c.jsonl", [{"text": TEXTS[4]}])
    (source / "notes.txt").write_text("not a corpus", encoding="utf8")
    (source / ".checkpoints").mkdir()
    write_lines(source / ".checkpoints" / "b.jsonl", [{"text": "a copy"}])
    for _ in range(2):  # the second time, its own output lies in the input
        apply(model, source, source / "out", part_size=3)
        assert [record["text"] for record in read_lines(source / "out")] == TEXTS[:5]


def test_a_run_that_failed_goes_on_where_it_was(
    model: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(model, lines, tmp_path / "whole", part_size=5)
    run_part, ran = spacy_llama_ner.apply.engines.run_part, []

    def fail_at_the_third(job: Any, part: Any, nlp: Any, folder: Path) -> int:
        ran.append(part.number)
        if len(ran) == 3:
            raise RuntimeError("power cut")
        return run_part(job, part, nlp, folder)

    monkeypatch.setattr(spacy_llama_ner.apply.engines, "run_part", fail_at_the_third)
    with pytest.raises(RuntimeError, match="power cut"):
        apply(model, lines, tmp_path / "out", part_size=5)
    assert sorted(contents(tmp_path / "out")) == ["job.json", "part-000000.jsonl", "part-000001.jsonl"]
    apply(model, lines, tmp_path / "out", part_size=5)
    assert ran == [0, 1, 2, 2, 3, 4]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    apply(model, lines, tmp_path / "out", part_size=5)
    assert len(ran) == 6


def test_a_killed_run_goes_on_where_it_was(model: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS * 400])
    command = [sys.executable, "-m", "spacy", "llama-ner", "apply", model, str(source), str(tmp_path / "out")]
    command += ["--part-size", "20"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((tmp_path / "out").glob("part-*"))) < 3 and running.poll() is None:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = contents(tmp_path / "out")
    assert 4 <= len(done) < len(TEXTS) * 20
    apply(model, source, tmp_path / "out", part_size=20)
    apply(model, source, tmp_path / "whole", part_size=20)
    finished = contents(tmp_path / "out")
    assert {name: finished[name] for name in done if name.startswith("part")} == {
        name: data for name, data in done.items() if name.startswith("part")
    }
    whole = contents(tmp_path / "whole")
    assert {name: finished[name] for name in whole} == whole


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


def test_the_words_of_a_corpus_do_not_stay_in_memory(model: str, tmp_path: Path) -> None:
    nlp = spacy.load(model)
    lines = write_lines(tmp_path / "texts.jsonl", [{"text": f"word{i} is new"} for i in range(9)])
    job = ApplyJob("digest", [(str(lines), "digest")], ".jsonl", 3, "text")
    for part in job.parts():
        run_part(job, part, nlp, tmp_path)
    assert "word8" not in nlp.vocab.strings and "word8" not in nlp.vocab


def test_entities_in_a_docbin_are_found_anew(model: str, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    doc = nlp.make_doc(TEXTS[0])
    doc.set_ents([doc.char_span(0, 4, label="WRONG")])
    DocBin(docs=[doc]).to_disk(tmp_path / "in.spacy")
    apply(model, tmp_path / "in.spacy", tmp_path / "out")
    assert spans(read_lines(tmp_path / "out")[0]["ents"]) == expected(model)[0]


def test_records_without_a_text_are_listed(model: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    good = json.dumps({"text": TEXTS[0]})
    source.write_text(f'{good}\n{{"body": "x"}}\n{{"text": 3}}\n\n[1]\n{{"text": \n{good}', encoding="utf8")
    assert "4 records hold no text" in succeeds("apply", model, source, tmp_path / "out", "--part-size", 4)
    assert [record["text"] for record in read_lines(tmp_path / "out")] == [TEXTS[0], TEXTS[0]]
    listed = [
        json.loads(line)
        for path in sorted((tmp_path / "out").glob("*.problems.jsonl"))
        for line in path.read_text(encoding="utf8").splitlines()
    ]
    assert [problem["record"] for problem in listed] == [1, 2, 4, 5]
    assert "expected a string at 'text', got nothing; it has ['body']" in listed[0]["problem"]
    assert "got int" in listed[1]["problem"]
    assert "expected an object" in listed[2]["problem"]
    assert "not JSON" in listed[3]["problem"]


def test_the_text_may_have_another_name(model: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"body": TEXTS[0]}])
    succeeds("apply", model, source, tmp_path / "out", "--text-key", "body")
    (record,) = read_lines(tmp_path / "out")
    assert spans(record["ents"]) == expected(model)[0]


def test_another_job_is_kept_out_of_the_folder(model: str, lines: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    apply(model, lines, out, part_size=5)
    before = contents(out)
    assert "has begun that differs in part_size" in fails("apply", model, lines, out, "--part-size", 6)
    with lines.open("a", encoding="utf8") as file:
        file.write(json.dumps({"text": "one more"}) + "\n")
    assert "differs in files" in fails("apply", model, lines, out, "--part-size", 5)
    kept = lines.read_bytes().splitlines(keepends=True)[:-1]
    lines.write_bytes(b"".join(reversed(kept)))
    assert "differs in files" in fails("apply", model, lines, out, "--part-size", 5)
    assert contents(out) == before
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / ".job.json.1.partial").touch()
    succeeds("apply", model, lines, tmp_path / "torn")
    assert "--workers is for --engine ray" in fails("apply", model, lines, tmp_path / "lone", "--workers", 2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert "is not empty" in fails("apply", model, lines, tmp_path / "full")


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


def test_ray_writes_the_same_files(model: str, lines: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    apply(model, lines, tmp_path / "local", part_size=5)
    command = [sys.executable, "-m", "spacy", "llama-ner", "apply", model, str(lines), str(tmp_path / "ray")]
    command += ["--part-size", "5", "--engine", "ray", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, encoding="utf8", timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
