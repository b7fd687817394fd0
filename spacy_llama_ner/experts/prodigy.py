"""Prodigy: tasks for `ner.manual` and `ner.correct`-like work, and what `db-out` gives.

Formats: https://prodi.gy/docs/api-interfaces#ner_manual and https://prodi.gy/docs/recipes#db-out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly

from ..data.files import atomic_write
from .records import (
    BAD_RECORD,
    Answer,
    AnswerError,
    Mark,
    Task,
    Verdict,
    as_list,
    as_mark,
    as_object,
    as_string,
    as_text,
    show,
)

VERDICTS: dict[str, Verdict] = {"accept": "done", "reject": "skipped", "ignore": "skipped"}
BINARY = ("ner", "spans")


class Prodigy:
    """The format; see `formats.Format`."""

    name = "prodigy"
    file = "tasks.jsonl"
    advice = (
        "Start `prodigy ner.manual DATASET blank:en tasks.jsonl --label LABELS`; the suggestions are there to be put "
        "right. Export with `prodigy db-out DATASET > done.jsonl`."
    )

    def write(self, tasks: Iterable[Task], labels: Sequence[str], folder: Path) -> None:
        """Write `tasks.jsonl`."""
        with atomic_write(folder / self.file) as partial:
            srsly.write_jsonl(partial, (to_json(task) for task in tasks))

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether a record looks like one of this tool."""
        return "answer" in record or "_task_hash" in record

    def read(self, record: dict[str, Any]) -> list[Answer | AnswerError]:
        """The one answer of a record.

        A record that asked yes or no about its spans (`ner.teach`) says nothing of the other words.
        """
        verdict = record.get("answer")
        if not isinstance(verdict, str) or verdict not in VERDICTS:
            raise AnswerError(BAD_RECORD, f"answer is {show(verdict)}; expected one of {', '.join(VERDICTS)}.")
        meta = record.get("meta")
        key = meta.get("key") if isinstance(meta, dict) else None
        who = record.get("_annotator_id") or record.get("_session_id")
        return [
            Answer(
                as_text(record.get("text"), "text"),
                marks=tuple(_marks(record)),
                verdict=VERDICTS[verdict],
                key=key if isinstance(key, str) else None,
                annotator=None if who is None else str(who),
                when=_time(record.get("_timestamp")),
                partial=bool(record.get("_is_binary", record.get("_view_id") in BINARY)),
                words=_words(record),
            )
        ]


def to_json(task: Task) -> dict[str, Any]:
    """A task with its words, so that Prodigy cuts the text as we do, and with suggestions."""
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


def _marks(record: dict[str, Any]) -> Iterator[Mark]:
    for each in as_list(record.get("spans", []), "spans"):
        span = as_object(each, "a span")
        if span.get("answer", "accept") == "accept":
            yield as_mark(
                start=span.get("start"), end=span.get("end"), label=span.get("label"), text=span.get("text")
            )


def _words(record: dict[str, Any]) -> tuple[tuple[str, bool], ...] | None:
    """The words. Prodigy of before 1.10 did not say whether a space follows; then the text does."""
    tokens = [as_object(each, "a token") for each in as_list(record.get("tokens", []), "tokens")]
    text = record["text"]
    words = []
    for token in tokens:
        mark = as_mark(start=token.get("start"), end=token.get("end"), label="a token")
        words.append(
            (as_string(token.get("text"), "a token"), bool(token.get("ws", text[mark.end : mark.end + 1] == " ")))
        )
    return tuple(words) or None


def _time(stamp: object) -> str:
    """Seconds as digits that sort as text."""
    return f"{stamp:020.3f}" if isinstance(stamp, int | float) else ""
