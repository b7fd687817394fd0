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
from .records import BAD_RECORD, Answer, AnswerError, Mark, Task, as_list, as_mark, as_text, show

LISTS = ("label", "labels", "entities")


class Doccano:
    """The format; see `formats.Format`."""

    name = "doccano"
    file = "tasks.jsonl"
    advice = (
        "In doccano, make a sequence labelling project with these labels, import tasks.jsonl as JSONL (column of the "
        "text: text; of the labels: label), and export as JSONL with `Export only approved documents`: what nobody "
        "has looked at is not told from what has no entity otherwise."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.jsonl`. doccano has no place for scores but that of other fields, where each is shown."""
        with atomic_write(folder / self.file) as partial:
            srsly.write_jsonl(partial, (to_json(task) for task in tasks))

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like one of this tool."""
        return any(name in record for name in LISTS) and "annotation_id" not in record

    def read(self, record: dict[str, Any]) -> list[Answer | AnswerError]:
        """The one answer of a record."""
        given = [name for name in LISTS if name in record]
        if len(given) != 1:
            raise AnswerError(
                BAD_RECORD,
                f"it has {' and '.join(given) or 'no list of marks'}; expected one of {', '.join(LISTS)}. Export the "
                "project as JSONL.",
            )
        marks = tuple(_mark(each) for each in as_list(record[given[0]], given[0]))
        meta = record.get("meta")
        key = record.get("key", meta.get("key") if isinstance(meta, dict) else None)
        return [Answer(as_text(record.get("text"), "text"), marks, key=key if isinstance(key, str) else None)]


def to_json(task: Task) -> dict[str, Any]:
    """A record to be imported."""
    label = [[each["start"], each["end"], each["label"]] for each in task.suggestions]
    scores = " ".join(
        f"{each['text']}: {each['score']:.2f}." for each in task.suggestions if each["score"] is not None
    )
    return {"text": task.text, "label": label, "key": task.key, **({"scores": scores} if scores else {})}


def _mark(value: object) -> Mark:
    if isinstance(value, list) and len(value) == 3:
        return as_mark(start=value[0], end=value[1], label=value[2])
    if isinstance(value, dict):
        return as_mark(start=value.get("start_offset"), end=value.get("end_offset"), label=value.get("label"))
    raise AnswerError(BAD_RECORD, f"a mark is {show(value)}; expected [start, end, label] or an object of these.")
