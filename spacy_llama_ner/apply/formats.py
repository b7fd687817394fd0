"""What a job reads and writes, whatever the file format."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..data.errors import LlamaNERError
from ..data.files import finite


@dataclass(frozen=True)
class InputPart:
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
class BadRecord:
    """A record that is not a text: its number in the file, from 0, and why."""

    number: int
    reason: str


Result = tuple[Record, Doc]


class RecordFormat(Protocol):
    """A file format that jobs read and write."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """First record, number of records and byte offset of each part of `path`, at most `size` records each."""

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """The records of `part`, in order."""

    def write(self, results: Iterable[Result], path: Path) -> None:
        """Write annotated docs and the fields of their records to a new file."""


def to_record(fields: Any, number: int, text_key: str) -> Record | BadRecord:
    """A record from what a line or a row holds."""
    if not isinstance(fields, dict):
        return BadRecord(number, f"expected an object with a {text_key!r}, got {type(fields).__name__}")
    text = fields.get(text_key)
    if not isinstance(text, str):
        got = "nothing" if text is None else type(text).__name__
        return BadRecord(number, f"expected a string at {text_key!r}, got {got}; it has {sorted(map(str, fields))}")
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        return BadRecord(number, f"no Unicode text: {error}")
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


class ApplyError(LlamaNERError):
    """An input, an output or an option that a job cannot work with; the message says what to do."""


class DocBins:
    """Docs keep their words, and what is annotated on them but for their entities, which are found anew."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.cut`. Loads the file."""
        total = len(_load(path))
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """See `RecordFormat.read`. Docs have no fields; `text_key` means nothing."""
        whole, chosen = _load(part.path), slice(part.first, part.first + part.size)
        some = DocBin(attrs=whole.attrs, store_user_data=True)
        some.strings = whole.strings
        for name in ("tokens", "spaces", "cats", "user_data", "flags", "span_groups"):
            setattr(some, name, getattr(whole, name)[chosen])
        for doc in some.get_docs(vocab):
            doc.set_ents([], default="missing")
            yield Record(doc)

    def write(self, results: Iterable[Result], path: Path) -> None:
        """See `RecordFormat.write`; fields go to `doc.user_data["fields"]`; half surrogate pairs become "?"."""
        docs = []
        for record, doc in results:
            if record.fields:
                fields = json.dumps(record.fields, ensure_ascii=False, default=str)
                doc.user_data["fields"] = json.loads(fields.encode("utf8", "replace"))
            docs.append(doc)
        DocBin(docs=docs, store_user_data=True).to_disk(path)


@lru_cache(maxsize=1)
def _load(path: Path) -> DocBin:
    try:
        return DocBin(store_user_data=True).from_disk(path)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise ApplyError(f"The corpus {path} cannot be read; is it whole? {error!r}") from error


class Lines:
    """Lines keep all their fields and get `ents`, in place of any that they had."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.cut`. Reads the file once, looking for line ends only."""
        first, count, offset, position = 0, 0, 0, 0
        with path.open("rb") as lines:
            for line in lines:
                if count == size:
                    yield first, count, offset
                    first, count, offset = first + count, 0, position
                count += 1
                position += len(line)
        if count:
            yield first, count, offset

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """See `RecordFormat.read`. Empty lines are passed over."""
        with part.path.open("rb") as lines:
            lines.seek(part.offset)
            for number, line in zip(range(part.first, part.first + part.size), lines, strict=False):
                if not line.strip():
                    continue
                try:
                    fields = json.loads(line)
                except ValueError as error:
                    yield BadRecord(number, f"not JSON: {error}")
                else:
                    yield to_record(fields, number, text_key)

    def write(self, results: Iterable[Result], path: Path) -> None:
        """See `RecordFormat.write`. Halves of surrogate pairs in fields, as cut texts end with, stay: in escapes."""
        with path.open("wb") as file:
            for record, doc in results:
                fields = {**(record.fields or {"text": doc.text}), "ents": entities(doc)}
                line = json.dumps(finite(fields), ensure_ascii=False, default=str)
                # which JSON reads as the same
                file.write(line.encode("utf8", "backslashreplace") + b"\n")


ROWS_IN_MEMORY = 1024


class Parquet:
    """Tables of `text`, `ents`, and the other fields of the record as one string of JSON in `fields`.

    So all parts have the same columns, whatever a record holds.
    """

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.cut`. Reads the file's footer only."""
        total = _open(path).metadata.num_rows
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """See `RecordFormat.read`. Passes over the row groups before the part."""
        file = _open(part.path)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        skip, group = part.first, 0
        while group < len(sizes) and skip >= sizes[group]:
            skip, group = skip - sizes[group], group + 1
        number, stop = part.first, part.first + part.size
        for batch in file.iter_batches(batch_size=ROWS_IN_MEMORY, row_groups=list(range(group, len(sizes)))):
            rows = batch.slice(skip, stop - number)
            skip = max(0, skip - batch.num_rows)
            for fields in rows.to_pylist():
                yield to_record(fields, number, text_key)
                number += 1
            if number == stop:
                return

    def write(self, results: Iterable[Result], path: Path) -> None:
        """See `RecordFormat.write`."""
        pa, parquet = _pyarrow()
        entity = pa.struct(
            [
                ("start", pa.int64()),
                ("end", pa.int64()),
                ("label", pa.string()),
                ("text", pa.string()),
                ("score", pa.float64()),
            ]
        )
        schema = pa.schema([("text", pa.string()), ("ents", pa.list_(entity)), ("fields", pa.string())])
        rows = [
            {"text": doc.text, "ents": entities(doc), "fields": json.dumps(finite(record.others), default=str)}
            for record, doc in results
        ]
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _open(path: Path) -> Any:
    pa, parquet = _pyarrow()
    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ApplyError(f"The Parquet file {path} cannot be read; is it whole? {error}") from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ApplyError('Parquet needs pyarrow: `pip install "spacy_llama_ner[parquet]"`.') from error
    return pyarrow, pyarrow.parquet
