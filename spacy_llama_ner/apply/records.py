"""What a job reads and writes, whatever the file format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spacy.tokens import Doc
from spacy.vocab import Vocab


@dataclass(frozen=True)
class Part:
    """Some records of one input file.

    number: place among the parts of the job.
    path: the file.
    first: number of its first record in the file, from 0.
    size: how many records.
    offset: where the first one starts, in bytes, in a file of lines; 0 in others.
    """

    number: int
    path: Path
    first: int
    size: int
    offset: int = 0

    @property
    def name(self) -> str:
        """What its output is called, without a suffix."""
        return f"part-{self.number:06d}"


@dataclass(frozen=True)
class Record:
    """One text, or one Doc, and the fields that came with it (among them `text_key`) and go out again."""

    text: str | Doc
    fields: dict[str, Any] = field(default_factory=dict)
    text_key: str = "text"

    @property
    def others(self) -> dict[str, Any]:
        """The fields beside the text."""
        return {key: value for key, value in self.fields.items() if key != self.text_key}


@dataclass(frozen=True)
class Bad:
    """A record that is not a text: its number in the file, from 0, and why."""

    number: int
    reason: str


Result = tuple[Record, Doc]


class Format(Protocol):
    """A file format that jobs read and write."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """First record, number of records and byte offset of each part of `path`, at most `size` records each."""

    def read(self, part: Part, *, text_key: str, vocab: Vocab) -> Iterator[Record | Bad]:
        """The records of `part`, in order."""

    def write(self, results: Iterable[Result], path: Path) -> None:
        """Write annotated docs and the fields of their records to a new file."""


def to_record(fields: Any, number: int, text_key: str) -> Record | Bad:
    """A record from what a line or a row holds."""
    if not isinstance(fields, dict):
        return Bad(number, f"expected an object with a {text_key!r}, got {type(fields).__name__}")
    text = fields.get(text_key)
    if not isinstance(text, str):
        got = "nothing" if text is None else type(text).__name__
        return Bad(number, f"expected a string at {text_key!r}, got {got}; it has {sorted(map(str, fields))}")
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        return Bad(number, f"no Unicode text: {error}")
    return Record(text, fields, text_key)


def entities(doc: Doc) -> list[dict[str, Any]]:
    """The entities of `doc`: start and end in characters, label, text, and score.

    The score is that of the same span in a span group with `attrs["scores"]`, as `llama_ner` makes one, rounded to
    four digits; None where there is none.
    """
    scores = {
        (span.start, span.end, span.label): round(float(score), 4)
        for group in doc.spans.values()
        for span, score in zip(group, group.attrs.get("scores", ()), strict=False)
    }
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "text": ent.text,
            "score": scores.get((ent.start, ent.end, ent.label)),
        }
        for ent in doc.ents
    ]
