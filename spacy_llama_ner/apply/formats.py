"""The files that a job reads and writes: its records, and the formats JSONL, Parquet and DocBin."""

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
from ..data.files import replace_non_finite

# of a Parquet file
ROWS_IN_MEMORY = 1024


class ApplyError(LlamaNERError):
    """An input, an output or an option that a job cannot work with; the message says what to do."""


@dataclass(frozen=True)
class InputPart:
    """Some records of one input file.

    Attributes:
        number: Place among the parts of the job.
        path: The file.
        first: Number of its first record in the file, from 0.
        size: How many records.
        offset: Where the first one starts, in bytes, in a file of lines; 0 in others.
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
    """One text with the fields that came with it and are written again.

    Attributes:
        text: The text, or a Doc.
        fields: All fields of the record, the text included.
        text_key: Name of the field with the text.
    """

    text: str | Doc
    fields: dict[str, Any] = field(default_factory=dict)
    text_key: str = "text"

    @property
    def other_fields(self) -> dict[str, Any]:
        """The fields without the text."""
        return {key: value for key, value in self.fields.items() if key != self.text_key}


@dataclass(frozen=True)
class BadRecord:
    """A record that is not a text.

    Attributes:
        number: Its number in the file, from 0.
        reason: What is wrong with it.
    """

    number: int
    reason: str


AnnotatedRecord = tuple[Record, Doc]


class RecordFormat(Protocol):
    """A file format that jobs read and write."""

    def split(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """Split a file into parts.

        Args:
            path: The file.
            size: Maximum number of records of a part.

        Yields:
            First record, number of records and byte offset of each part.

        Raises:
            ApplyError: If the file cannot be read.
        """

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """Read the records of a part.

        Args:
            part: The part.
            text_key: Field of a record that holds the text.
            vocab: Of the docs, where the file holds docs.

        Yields:
            The records, in order.

        Raises:
            ApplyError: If the file cannot be read.
        """

    def write(self, results: Iterable[AnnotatedRecord], path: Path) -> None:
        """Write annotated docs and the fields of their records.

        Args:
            results: Records with their docs.
            path: A new file.

        Raises:
            OSError: If it cannot be written.
        """


def to_record(fields: Any, number: int, text_key: str) -> Record | BadRecord:
    """Make a record of what a line or a row holds.

    Args:
        fields: Should be an object with a text.
        number: Of the record in the file, from 0.
        text_key: Field that holds the text.

    Returns:
        The record, or what is wrong with it.
    """
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


def ent_records(doc: Doc) -> list[dict[str, Any]]:
    """Return the entities of a doc as records.

    Args:
        doc: The doc.

    Returns:
        Start and end in characters, label, text, and score of each. The score is that of the same span in a span
        group with `attrs["scores"]`, as `llama_ner` makes one, rounded to four digits; None where there is none.
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


class DocBinFormat:
    """DocBins: docs keep their words and annotations but for their entities, which are found anew."""

    def split(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.split`. Loads the file."""
        total = len(_load_docbin(path))
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """See `RecordFormat.read`. Docs have no fields; `text_key` is ignored."""
        whole, chosen = _load_docbin(part.path), slice(part.first, part.first + part.size)
        some = DocBin(attrs=whole.attrs, store_user_data=True)
        some.strings = whole.strings
        for name in ("tokens", "spaces", "cats", "user_data", "flags", "span_groups"):
            setattr(some, name, getattr(whole, name)[chosen])
        for doc in some.get_docs(vocab):
            doc.set_ents([], default="missing")
            yield Record(doc)

    def write(self, results: Iterable[AnnotatedRecord], path: Path) -> None:
        """See `RecordFormat.write`; fields go to `doc.user_data["fields"]`; half surrogate pairs become "?"."""
        docs = []
        for record, doc in results:
            if record.fields:
                fields = json.dumps(record.fields, ensure_ascii=False, default=str)
                doc.user_data["fields"] = json.loads(fields.encode("utf8", "replace"))
            docs.append(doc)
        DocBin(docs=docs, store_user_data=True).to_disk(path)


@lru_cache(maxsize=1)
def _load_docbin(path: Path) -> DocBin:
    try:
        return DocBin(store_user_data=True).from_disk(path)
    except (OSError, ValueError, KeyError, zlib.error) as error:
        raise ApplyError(f"The corpus {path} cannot be read; is it whole? {error!r}") from error


class JSONLFormat:
    """Lines of JSON: they keep all their fields and get `ents`, in place of any that they had."""

    def split(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.split`. Reads the file once, looking for line ends only."""
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
        """See `RecordFormat.read`. Empty lines are skipped."""
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

    def write(self, results: Iterable[AnnotatedRecord], path: Path) -> None:
        """See `RecordFormat.write`. Half surrogate pairs in fields, as at the end of cut texts, stay, as escapes."""
        with path.open("wb") as file:
            for record, doc in results:
                fields = {**(record.fields or {"text": doc.text}), "ents": ent_records(doc)}
                line = json.dumps(replace_non_finite(fields), ensure_ascii=False, default=str)
                # which JSON reads as the same
                file.write(line.encode("utf8", "backslashreplace") + b"\n")


class ParquetFormat:
    """Tables of `text`, `ents`, and the other fields of the record as one string of JSON in `fields`.

    So all parts have the same columns, whatever a record holds.
    """

    def split(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `RecordFormat.split`. Reads the file's footer only."""
        total = _open_parquet(path).metadata.num_rows
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: InputPart, *, text_key: str, vocab: Vocab) -> Iterator[Record | BadRecord]:
        """See `RecordFormat.read`. Skips the row groups before the part."""
        file = _open_parquet(part.path)
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

    def write(self, results: Iterable[AnnotatedRecord], path: Path) -> None:
        """See `RecordFormat.write`."""
        pa, parquet = _import_pyarrow()
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
        rows = []
        for record, doc in results:
            fields = json.dumps(replace_non_finite(record.other_fields), default=str)
            rows.append({"text": doc.text, "ents": ent_records(doc), "fields": fields})
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def _open_parquet(path: Path) -> Any:
    pa, parquet = _import_pyarrow()
    try:
        return parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ApplyError(f"The Parquet file {path} cannot be read; is it whole? {error}") from error


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ApplyError('Parquet needs pyarrow: `pip install "spacy_llama_ner[parquet]"`.') from error
    return pyarrow, pyarrow.parquet
