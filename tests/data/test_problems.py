"""A report counts the problems and lists each one in a file beside the output."""

from __future__ import annotations

from pathlib import Path

import srsly

from spacy_llama_ner.data.problems import ProblemReport


def test_counts_most_frequent_first() -> None:
    report = ProblemReport("a.txt")
    report.rejected(1, "overlap", "x")
    report.repaired(2, "cut token", "y")
    report.repaired(3, "cut token", "z")
    assert list(report.counts().items()) == [(("cut token", "repaired"), 2), (("overlap", "rejected"), 1)]


def test_problems_are_listed_beside_the_output_and_removed_when_gone(tmp_path: Path) -> None:
    report = ProblemReport("a.txt", "line")
    report.repaired(7, "unknown tag", "detail")
    path = report.write(tmp_path / "out.spacy")
    assert path == tmp_path / "out.spacy.problems.jsonl"
    assert list(srsly.read_jsonl(path)) == [
        {"source": "a.txt", "line": 7, "problem": "unknown tag", "action": "repaired", "detail": "detail"}
    ]
    assert ProblemReport("a.txt", "line").write(tmp_path / "out.spacy") is None
    assert not list(tmp_path.iterdir())
