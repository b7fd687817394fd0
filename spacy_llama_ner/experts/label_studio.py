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
from .records import BAD_RECORD, Answer, AnswerError, Mark, Task, as_list, as_mark, as_object, as_text, show

# names of the parts of the labelling interface
CONTROL, OBJECT = "label", "text"
SOURCE = "spacy_llama_ner"
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


class LabelStudio:
    """The format; see `formats.Format`."""

    name = "label-studio"
    file = "tasks.json"
    advice = (
        "In Label Studio, make a project with labels.xml as its labelling interface (Settings, Labeling Interface, "
        "Code), import tasks.json, and export as JSON (JSON-MIN leaves out what was skipped)."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.json` and the labelling interface, `labels.xml`."""
        with atomic_write(folder / "labels.xml") as partial:
            partial.write_text(interface(labels), encoding="utf8")
        with atomic_write(folder / self.file) as partial:
            text = json.dumps([to_json(task) for task in tasks], ensure_ascii=False, indent=1)
            partial.write_text(text + "\n", encoding="utf8")

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like one of this tool."""
        return isinstance(record.get("data"), dict) or "annotation_id" in record

    def read(self, record: dict[str, Any]) -> list[Answer | AnswerError]:
        """One answer for each annotation of a task (JSON), or the one that a record is (JSON-MIN)."""
        if "data" not in record:
            return [_minimal(record)]
        data = as_object(record["data"], "data")
        text, key = as_text(data.get("text"), "data.text"), _key(data)
        annotations = as_list(record.get("annotations", record.get("completions", [])), "annotations")
        answers: list[Answer | AnswerError] = []
        for each in annotations:
            try:
                answers.append(_annotation(as_object(each, "an annotation"), text, key))
            except AnswerError as error:
                answers.append(error)
        return answers or [Answer(text, verdict="open", key=key)]


def interface(labels: Sequence[str]) -> str:
    """The labelling interface of a project for these labels, XML."""
    lines = [
        f"    <Label value={quoteattr(label)} background={quoteattr(COLOURS[i % len(COLOURS)])}/>"
        for i, label in enumerate(labels)
    ]
    control = f'  <Labels name="{CONTROL}" toName="{OBJECT}">'
    text = f'  <Text name="{OBJECT}" value="$text" granularity="word"/>'
    return "\n".join(["<View>", control, *lines, "  </Labels>", text, "</View>"]) + "\n"


def to_json(task: Task) -> dict[str, Any]:
    """A task to be imported; its suggestions are a prediction, even where there are none."""
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
    prediction = {"model_version": SOURCE, "result": result, **({} if task.score is None else {"score": task.score})}
    return {"data": {"text": task.text, "key": task.key}, "predictions": [prediction]}


def _annotation(annotation: dict[str, Any], text: str, key: str | None) -> Answer:
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    skipped = bool(annotation.get("was_cancelled") or annotation.get("skipped"))
    results = as_list(annotation.get("result"), "result")
    return Answer(
        text,
        marks=() if skipped else tuple(mark for each in results for mark in _mark(as_object(each, "a result"))),
        verdict="skipped" if skipped else "done",
        key=key,
        annotator=None if who is None else str(who),
        when=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
    )


def _mark(result: dict[str, Any]) -> list[Mark]:
    if result.get("type") != "labels":
        # answers to other questions about the same text
        return []
    return [_from_value(as_object(result.get("value"), "value"))]


def _from_value(value: dict[str, Any]) -> Mark:
    labels = as_list(value.get("labels"), "labels")
    if len(labels) != 1:
        raise AnswerError(
            BAD_RECORD,
            f"a mark has the labels {show(labels)}; expected one. Give the region one label and export again.",
        )
    return as_mark(start=value.get("start"), end=value.get("end"), label=labels[0], text=value.get("text"))


def _minimal(record: dict[str, Any]) -> Answer:
    """A record of JSON-MIN; where nothing was marked, it has no list of marks at all."""
    lists = [each for each in record.values() if isinstance(each, list) and any(map(_is_region, each))]
    who = record.get("annotator")
    return Answer(
        as_text(record.get("text"), "text"),
        marks=tuple(_from_value(region) for regions in lists for region in regions),
        key=_key(record),
        annotator=None if who is None else str(who),
        when=str(record.get("updated_at") or record.get("created_at") or ""),
    )


def _is_region(value: object) -> bool:
    return isinstance(value, dict) and "start" in value and "end" in value


def _key(data: dict[str, Any]) -> str | None:
    key = data.get("key")
    return key if isinstance(key, str) else None
