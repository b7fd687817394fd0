"""What comes in, what is left out, and how a job goes on in its folder and no other does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import spacy

from spacy_llama_ner.apply.job import ApplyJob, run_part
from spacy_llama_ner.cli.apply import apply
from tests.apply.samples import TEXTS, read_lines, write_lines
from tests.cli.helpers import contents, fails, succeeds


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


def test_the_words_of_a_corpus_do_not_stay_in_memory(model: str, tmp_path: Path) -> None:
    nlp = spacy.load(model)
    lines = write_lines(tmp_path / "texts.jsonl", [{"text": f"word{i} is new"} for i in range(9)])
    job = ApplyJob("digest", [(str(lines), "digest")], ".jsonl", 3, "text")
    for part in job.parts():
        run_part(job, part, nlp, tmp_path)
    assert "word8" not in nlp.vocab.strings and "word8" not in nlp.vocab


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
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert "is not empty" in fails("apply", model, lines, tmp_path / "full")
