"""LLM-made JSON to spaCy Docs: records of a text and its tagged pieces, clean or not.

`annotator` says what becomes of pieces that do not fit their text, `records.parse_record` and `records.read_records`
what makes a whole record or line unusable.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from .annotator import put_pieces
from .records import BAD_RECORD, parse_record, read_records
from .report import Report


def read_requests(
    path: Path, nlp: Language, report: Report, *, labels: Collection[str] | None = None
) -> Iterator[Doc]:
    """One Doc, tokenized by `nlp`, for each usable record of a JSON or JSONL file.

    `labels` are the labels that are allowed; None allows all. Problems go into `report` as the docs are read.

    Raises: ValueError when the file cannot be read as JSON at all (see `records.read_records`).
    """
    for at, record in read_records(path, report):
        parsed = parse_record(record, at, report)
        if parsed is None:
            continue
        text, pieces = parsed
        if len(text) > nlp.max_length:
            report.rejected(at, BAD_RECORD, f"text has {len(text)} characters, more than {nlp.max_length}")
            continue
        yield put_pieces(nlp.make_doc(text), pieces, at=at, report=report, labels=labels)
