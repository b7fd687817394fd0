"""doccano: JSONL of its sequence labelling projects, from the first version to the present one.

Format: https://doccano.github.io/doccano/ (Import Dataset, Export Dataset). The present one has
`"label": [[0, 3, "NAME"]]`, or `"entities": [{"start_offset": 0, "end_offset": 3, "label": "NAME"}]` in projects with
relations; before version 1.5 it was `"labels"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import srsly

from ..data.files import atomic_write
from ..data.records import BAD_RECORD
from .records import Annotation, AnnotationError, SpanAnnotation, Task, as_list, as_span, as_text, shorten

LIST_KEYS = ("label", "labels", "entities")


class DoccanoFormat:
    """See `formats.TaskFormat`."""

    name = "doccano"
    filename = "tasks.jsonl"
    instructions = (
        "In doccano, make a sequence labelling project with these labels, import tasks.jsonl as JSONL (column of the "
        "text: text; of the labels: label), and export as JSONL with `Export only approved documents`: otherwise, "
        "texts that nobody has looked at are taken for texts without entities."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.jsonl`. doccano shows scores only as an additional field of the text."""
        with atomic_write(folder / self.filename) as partial:
            srsly.write_jsonl(partial, (task_to_json(task) for task in tasks))

    def matches(self, record: dict[str, Any]) -> bool:
        """See `TaskFormat.matches`."""
        return any(name in record for name in LIST_KEYS) and "annotation_id" not in record

    def read(self, record: dict[str, Any]) -> list[Annotation | AnnotationError]:
        """Read the one annotation of a record."""
        given = [name for name in LIST_KEYS if name in record]
        if len(given) != 1:
            raise AnnotationError(
                BAD_RECORD,
                f"it has {' and '.join(given) or 'no list of spans'}; expected one of {', '.join(LIST_KEYS)}. Export "
                "the project as JSONL.",
            )
        spans = tuple(_read_span(each) for each in as_list(record[given[0]], given[0]))
        meta = record.get("meta")
        key = record.get("key", meta.get("key") if isinstance(meta, dict) else None)
        return [Annotation(as_text(record.get("text"), "text"), spans, key=key if isinstance(key, str) else None)]


def task_to_json(task: Task) -> dict[str, Any]:
    """Return a task as a record to be imported."""
    label = [[each["start"], each["end"], each["label"]] for each in task.suggestions]
    scores = " ".join(
        f"{each['text']}: {each['score']:.2f}." for each in task.suggestions if each["score"] is not None
    )
    return {"text": task.text, "label": label, "key": task.key, **({"scores": scores} if scores else {})}


def _read_span(value: object) -> SpanAnnotation:
    if isinstance(value, list) and len(value) == 3:
        return as_span(start=value[0], end=value[1], label=value[2])
    if isinstance(value, dict):
        return as_span(start=value.get("start_offset"), end=value.get("end_offset"), label=value.get("label"))
    raise AnnotationError(
        BAD_RECORD, f"a span is {shorten(value)}; expected [start, end, label] or an object of these."
    )
