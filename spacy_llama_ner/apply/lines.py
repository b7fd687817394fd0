"""JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.vocab import Vocab

from ..data.files import finite
from .records import Bad, Part, Record, Result, entities, to_record


class Lines:
    """Lines keep all their fields and get `ents`, in place of any that they had."""

    def cut(self, path: Path, size: int) -> Iterator[tuple[int, int, int]]:
        """See `Format.cut`. Reads the file once, looking for line ends only."""
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

    def read(self, part: Part, *, text_key: str, vocab: Vocab) -> Iterator[Record | Bad]:
        """See `Format.read`. Empty lines are passed over."""
        with part.path.open("rb") as lines:
            lines.seek(part.offset)
            for number, line in zip(range(part.first, part.first + part.size), lines, strict=False):
                if not line.strip():
                    continue
                try:
                    fields = json.loads(line)
                except ValueError as error:
                    yield Bad(number, f"not JSON: {error}")
                else:
                    yield to_record(fields, number, text_key)

    def write(self, results: Iterable[Result], path: Path) -> None:
        """See `Format.write`. Halves of surrogate pairs in fields, as cut texts end with, stay: in escapes."""
        with path.open("wb") as file:
            for record, doc in results:
                fields = {**(record.fields or {"text": doc.text}), "ents": entities(doc)}
                line = json.dumps(finite(fields), ensure_ascii=False, default=str)
                # which JSON reads as the same
                file.write(line.encode("utf8", "backslashreplace") + b"\n")
