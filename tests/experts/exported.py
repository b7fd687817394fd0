"""The exports of each tool as records and as annotations, and tasks as each tool gets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spacy_llama_ner.experts.formats import TASK_FORMATS
from spacy_llama_ner.experts.records import Annotation, SpanAnnotation, Task
from tests.experts.samples import EXPORTS, LABELS, MEETING

SPANS = (
    SpanAnnotation(0, 9, "PER"),
    SpanAnnotation(14, 21, "PER"),
    SpanAnnotation(25, 29, "LOC"),
    SpanAnnotation(37, 39, "PER"),
)
TEXTS = [
    MEETING,
    "Nobody came to the old mill.",
    "Skip this one, Mara.",
    "Two answers for Tilda Moss.",
    "Nobody has seen this text.",
]
TOOLS = {
    "label-studio.json": "label-studio",
    "label-studio-min.json": "label-studio",
    "prodigy.jsonl": "prodigy",
    "doccano.jsonl": "doccano",
    "doccano-relations.jsonl": "doccano",
    "doccano-1.0.jsonl": "doccano",
    "doccano-1.0-numbers.jsonl": "doccano",
}


def records(name: str) -> list[dict[str, Any]]:
    text = (EXPORTS / name).read_text(encoding="utf8")
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def annotations(name: str) -> list[Annotation]:
    found = [each for record in records(name) for each in TASK_FORMATS[TOOLS[name]].read(record)]
    assert all(isinstance(each, Annotation) for each in found)
    return found


def without_text(spans: tuple[SpanAnnotation, ...]) -> tuple[SpanAnnotation, ...]:
    return tuple(SpanAnnotation(span.start, span.end, span.label) for span in spans)


def read_back(name: str, task: Task, folder: Path) -> list[dict[str, Any]]:
    TASK_FORMATS[name].write([task], LABELS, folder)
    text = (folder / TASK_FORMATS[name].filename).read_text(encoding="utf8")
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
