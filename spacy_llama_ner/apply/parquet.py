"""Parquet: one row a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.vocab import Vocab

from ..data.files import finite
from .errors import ApplyError
from .records import Bad, Part, Record, Result, entities, to_record

ROWS_IN_MEMORY = 1024


class Parquet:
    """Tables of `text`, `ents`, and the other fields of the record as one string of JSON in `fields`.

    So all parts have the same columns, whatever a record holds.
    """

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `Format.cut`. Reads the file's footer only."""
        total = _open(path).metadata.num_rows
        for first in range(0, total, size):
            yield first, min(size, total - first), 0

    def read(self, part: Part, *, text_key: str, vocab: Vocab) -> Iterator[Record | Bad]:
        """See `Format.read`. Passes over the row groups before the part."""
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
        """See `Format.write`."""
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
