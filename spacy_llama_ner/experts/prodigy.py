"""Prodigy: tasks for `ner.manual` and `ner.correct`-like work, and what `db-out` gives.

Formats: https://prodi.gy/docs/api-interfaces#ner_manual and https://prodi.gy/docs/recipes#db-out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly

from ..data.files import atomic_write
from ..data.records import BAD_RECORD
from .records import (
    Annotation,
    AnnotationError,
    AnnotationStatus,
    SpanAnnotation,
    Task,
    as_list,
    as_object,
    as_span,
    as_string,
    as_text,
    shorten,
)

# by Prodigy's answers
STATUSES: dict[str, AnnotationStatus] = {"accept": "done", "reject": "skipped", "ignore": "skipped"}
# interfaces that ask yes or no about spans
BINARY_VIEWS = ("ner", "spans")


class ProdigyFormat:
    """See `formats.TaskFormat`."""

    name = "prodigy"
    filename = "tasks.jsonl"
    instructions = (
        "Start `prodigy ner.manual DATASET blank:en tasks.jsonl --label LABELS`; the suggestions are there to be put "
        "right. Export with `prodigy db-out DATASET > done.jsonl`."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.jsonl`."""
        with atomic_write(folder / self.filename) as partial:
            srsly.write_jsonl(partial, (task_to_json(task) for task in tasks))

    def matches(self, record: dict[str, Any]) -> bool:
        """See `TaskFormat.matches`."""
        return "answer" in record or "_task_hash" in record

    def read(self, record: dict[str, Any]) -> list[Annotation | AnnotationError]:
        """Read the one annotation of a record.

        A record that asked yes or no about its spans (`ner.teach`) says nothing about the other words.
        """
        answer = record.get("answer")
        if not isinstance(answer, str) or answer not in STATUSES:
            raise AnnotationError(BAD_RECORD, f"answer is {shorten(answer)}; expected one of {', '.join(STATUSES)}.")
        meta = record.get("meta")
        key = meta.get("key") if isinstance(meta, dict) else None
        annotator = record.get("_annotator_id") or record.get("_session_id")
        timestamp = record.get("_timestamp")
        return [
            Annotation(
                as_text(record.get("text"), "text"),
                spans=tuple(_read_spans(record)),
                status=STATUSES[answer],
                key=key if isinstance(key, str) else None,
                annotator=None if annotator is None else str(annotator),
                # digits that sort as text
                timestamp=f"{timestamp:020.3f}" if isinstance(timestamp, int | float) else "",
                partial=bool(record.get("_is_binary", record.get("_view_id") in BINARY_VIEWS)),
                words=_read_words(record),
            )
        ]


def task_to_json(task: Task) -> dict[str, Any]:
    """Return a task for Prodigy: with its words, so that Prodigy tokenises the text in the same way."""
    starts = {start: number for number, (start, _, _) in enumerate(task.words)}
    ends = {start + len(word): number for number, (start, word, _) in enumerate(task.words)}
    tokens = [
        {"text": word, "start": start, "end": start + len(word), "id": number, "ws": space}
        for number, (start, word, space) in enumerate(task.words)
    ]
    spans = [
        {**each, "token_start": starts[each["start"]], "token_end": ends[each["end"]]} for each in task.suggestions
    ]
    meta = {"key": task.key, **({} if task.score is None else {"score": task.score})}
    return {"text": task.text, "tokens": tokens, "spans": spans, "meta": meta}


def _read_spans(record: dict[str, Any]) -> Iterator[SpanAnnotation]:
    for each in as_list(record.get("spans", []), "spans"):
        span = as_object(each, "a span")
        if span.get("answer", "accept") == "accept":
            yield as_span(
                start=span.get("start"), end=span.get("end"), label=span.get("label"), text=span.get("text")
            )


def _read_words(record: dict[str, Any]) -> tuple[tuple[str, bool], ...] | None:
    """Read the words. Before 1.10, Prodigy did not say whether a space follows; then the text does."""
    text = record["text"]
    words = []
    for each in as_list(record.get("tokens", []), "tokens"):
        token = as_object(each, "a token")
        span = as_span(start=token.get("start"), end=token.get("end"), label="a token")
        space = bool(token.get("ws", text[span.end : span.end + 1] == " "))
        words.append((as_string(token.get("text"), "a token"), space))
    return tuple(words) or None
