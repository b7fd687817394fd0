"""Label Studio: tasks with pre-annotations, and what its JSON and JSON-MIN exports hold.

Formats: https://labelstud.io/guide/task_format, https://labelstud.io/guide/predictions and
https://labelstud.io/guide/export.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from ..data.files import atomic_write
from ..data.records import BAD_RECORD
from .records import (
    Annotation,
    AnnotationError,
    SpanAnnotation,
    Task,
    as_list,
    as_object,
    as_span,
    as_text,
    shorten,
)

# names of the control tag and the object tag of the labelling interface
CONTROL, OBJECT = "label", "text"
MODEL_VERSION = "spacy_llama_ner"
COLOURS = (
    "#d4380d",
    "#389e0d",
    "#096dd9",
    "#c41d7f",
    "#d48806",
    "#531dab",
    "#08979c",
    "#5b8c00",
    "#cf1322",
    "#1d39c4",
)


class LabelStudioFormat:
    """See `formats.TaskFormat`."""

    name = "label-studio"
    filename = "tasks.json"
    instructions = (
        "In Label Studio, make a project with labels.xml as its labelling interface (Settings, Labeling Interface, "
        "Code), import tasks.json, and export as JSON (JSON-MIN leaves out what was skipped)."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.json` and the labelling interface, `labels.xml`."""
        with atomic_write(folder / "labels.xml") as partial:
            partial.write_text(labelling_interface(labels), encoding="utf8")
        with atomic_write(folder / self.filename) as partial:
            text = json.dumps([task_to_json(task) for task in tasks], ensure_ascii=False, indent=1)
            partial.write_text(text + "\n", encoding="utf8")

    def matches(self, record: dict[str, Any]) -> bool:
        """See `TaskFormat.matches`."""
        return isinstance(record.get("data"), dict) or "annotation_id" in record

    def read(self, record: dict[str, Any]) -> list[Annotation | AnnotationError]:
        """Read all annotations of a task (JSON), or the one that a record is (JSON-MIN)."""
        if "data" not in record:
            return [_read_json_min(record)]
        data = as_object(record["data"], "data")
        text, key = as_text(data.get("text"), "data.text"), _read_key(data)
        annotations: list[Annotation | AnnotationError] = []
        # it was "completions" before version 1
        for each in as_list(record.get("annotations", record.get("completions", [])), "annotations"):
            try:
                annotations.append(_read_annotation(as_object(each, "an annotation"), text, key))
            except AnnotationError as error:
                annotations.append(error)
        return annotations or [Annotation(text, status="open", key=key)]


def labelling_interface(labels: Sequence[str]) -> str:
    """Return the labelling interface, XML, of a project with these labels."""
    lines = [
        f"    <Label value={quoteattr(label)} background={quoteattr(COLOURS[i % len(COLOURS)])}/>"
        for i, label in enumerate(labels)
    ]
    control = f'  <Labels name="{CONTROL}" toName="{OBJECT}">'
    text = f'  <Text name="{OBJECT}" value="$text" granularity="word"/>'
    return "\n".join(["<View>", control, *lines, "  </Labels>", text, "</View>"]) + "\n"


def task_to_json(task: Task) -> dict[str, Any]:
    """Return a task to be imported; its suggestions are a prediction, even where there are none."""
    result = [
        {
            "id": f"s{number}",
            "from_name": CONTROL,
            "to_name": OBJECT,
            "type": "labels",
            "value": {key: each[key] for key in ("start", "end", "text")} | {"labels": [each["label"]]},
            **({} if each["score"] is None else {"score": each["score"]}),
        }
        for number, each in enumerate(task.suggestions)
    ]
    score = {} if task.score is None else {"score": task.score}
    prediction = {"model_version": MODEL_VERSION, "result": result, **score}
    return {"data": {"text": task.text, "key": task.key}, "predictions": [prediction]}


def _read_annotation(annotation: dict[str, Any], text: str, key: str | None) -> Annotation:
    annotator = annotation.get("completed_by")
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get("id")
    skipped = bool(annotation.get("was_cancelled") or annotation.get("skipped"))
    results = as_list(annotation.get("result"), "result")
    spans = []
    for each in () if skipped else results:
        result = as_object(each, "a result")
        # other types answer other questions about the same text
        if result.get("type") == "labels":
            spans.append(_read_span(as_object(result.get("value"), "value")))
    return Annotation(
        text,
        spans=tuple(spans),
        status="skipped" if skipped else "done",
        key=key,
        annotator=None if annotator is None else str(annotator),
        timestamp=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
    )


def _read_json_min(record: dict[str, Any]) -> Annotation:
    """Read a record of JSON-MIN; where nothing was marked, it has no list of regions at all."""

    def is_region(value: object) -> bool:
        return isinstance(value, dict) and "start" in value and "end" in value

    lists = [each for each in record.values() if isinstance(each, list) and any(map(is_region, each))]
    annotator = record.get("annotator")
    return Annotation(
        as_text(record.get("text"), "text"),
        spans=tuple(_read_span(region) for regions in lists for region in regions),
        key=_read_key(record),
        annotator=None if annotator is None else str(annotator),
        timestamp=str(record.get("updated_at") or record.get("created_at") or ""),
    )


def _read_span(region: dict[str, Any]) -> SpanAnnotation:
    labels = as_list(region.get("labels"), "labels")
    if len(labels) != 1:
        raise AnnotationError(
            BAD_RECORD,
            f"a region has the labels {shorten(labels)}; expected one. Give the region one label and export again.",
        )
    return as_span(start=region.get("start"), end=region.get("end"), label=labels[0], text=region.get("text"))


def _read_key(data: dict[str, Any]) -> str | None:
    key = data.get("key")
    return key if isinstance(key, str) else None
