"""Helpers of the tests that read JSON records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.data.span_alignment import read_json_docs

NLP = spacy.blank("en")


def read_docs(folder: Path, *records: object, **options: Any) -> tuple[list[Doc], ProblemReport]:
    path = folder / "requests.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    report = ProblemReport(str(path))
    return list(read_json_docs(path, NLP, report=report, **options)), report


def entities_of(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def problems_of(report: ProblemReport) -> list[tuple[str, str]]:
    return [(problem.problem, problem.action) for problem in report.problems]
