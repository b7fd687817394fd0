"""What the tests of JSON records share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc

from spacy_llama_ner.data.problems import ProblemReport
from spacy_llama_ner.data.span_alignment import read_requests

NLP = spacy.blank("en")


def convert(folder: Path, *records: object, **options: Any) -> tuple[list[Doc], ProblemReport]:
    path = folder / "requests.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    report = ProblemReport(str(path))
    return list(read_requests(path, NLP, report, **options)), report


def spans(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def told(report: ProblemReport) -> list[tuple[str, str]]:
    return [(problem.problem, problem.action) for problem in report.problems]
