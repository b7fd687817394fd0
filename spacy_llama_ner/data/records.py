"""Records of JSON that a language model or another tool has written: a text and its tagged pieces.

`read_records` reads a file into parsed JSON, `parse_record` reads one record in any of its shapes, and
`span_alignment` puts the pieces onto the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .bio_tags import split_tag
from .errors import DataError
from .files import read_utf8
from .problems import ProblemReport

# problems that are reported
BAD_JSON = "invalid JSON"
BAD_RECORD = "unusable record"
BAD_PIECE = "unusable piece"
NOT_TEXT = "number for text"
TAG_FOR_LABEL = "tag for label"


@dataclass(frozen=True)
class TaggedPiece:
    """A piece of a text and its tag, as a record gives them.

    Attributes:
        text: The piece.
        tag: Its BIO tag, not checked yet.
        offsets: Start and end in characters of the text, not checked yet. None if the record does not give them.
    """

    text: str
    tag: str
    offsets: tuple[object, object] | None = None


def read_records(path: Path, report: ProblemReport) -> Iterator[tuple[int, object]]:
    """Read a JSON list of records, one record, or JSONL (one record a line; blank lines do no harm).

    Args:
        path: The file.
        report: Gets lines that are not JSON, which are rejected. Its unit becomes "line" if the file is JSONL.

    Yields:
        Number, from 1, and content of each record, whatever it is. An object that has a key twice comes as a list of
        [key, value] pairs, since a dict would lose one of them.

    Raises:
        DataError: If the file is not UTF-8, or is a JSON list that is broken.
    """
    text = read_utf8(path)
    if path.suffix.lower() != ".jsonl":
        try:
            data = _parse_json(text)
        except (ValueError, RecursionError) as error:
            if text.lstrip().startswith("["):
                raise DataError(
                    f"{path} starts like a JSON list, but is not valid JSON: {error}. Correct it there, or write one "
                    "record a line to a .jsonl file: then only the bad lines are lost."
                ) from error
        else:
            yield from enumerate(data if isinstance(data, list) else [data], start=1)
            return
    report.unit = "line"
    # only line feeds end a line: other Unicode breaks may stand inside a JSON string
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = _parse_json(line)
        except (ValueError, RecursionError) as error:
            report.rejected(number, BAD_JSON, f"{error}: {line[:80]!r}")
            continue
        yield number, record


def _parse_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=keep_pairs)


def keep_pairs(pairs: list[tuple[str, object]]) -> object:
    """Return a JSON object as a dict, or as a list of [key, value] if it has a key twice. A hook for `json.loads`."""
    return dict(pairs) if len({key for key, _ in pairs}) == len(pairs) else [list(pair) for pair in pairs]


def parse_record(record: object, *, at: int, report: ProblemReport) -> tuple[str, list[TaggedPiece]] | None:
    """Read a record in any of its shapes.

    A record is an object with a "text" that is not empty and one of

    * "labels": a list of [piece, tag] pairs, or an object of piece: tag, with BIO tags;
    * "entities": a list of objects with "label", and "text" or "start" and "end" in characters, or all of these.

    An empty list means that the text has no entity. Without any list nothing is known of the text, so the record is
    rejected. A piece that is a whole number is taken as text (repaired); every other value that is not a string makes
    the piece unusable (rejected; the rest of the record is kept). A BIO tag in the place of a label is taken as the
    tag (repaired).

    Args:
        record: Parsed JSON.
        at: The number of the record, for the report.
        report: Gets the problems.

    Returns:
        The text and its pieces, or None if the record is unusable.
    """
    if not isinstance(record, dict):
        report.rejected(at, BAD_RECORD, f"not an object with unique keys, but {_show(record)}")
        return None
    text, labels, entities = record.get("text"), record.get("labels"), record.get("entities")
    problem = _text_problem(text)
    if problem is None and (labels is None) == (entities is None):
        problem = 'needs either "labels" or "entities"' + ("" if labels is None else ", not both")
    given = labels if labels is not None else entities
    if problem is None and not isinstance(given, list if labels is None else (list, dict)):
        problem = f"labels are no list, but {_show(given)}"
    if problem is not None or not isinstance(text, str):
        report.rejected(at, BAD_RECORD, f"{problem}: {_show(record)}")
        return None
    rows = list(given.items()) if isinstance(given, dict) else given
    assert isinstance(rows, list)
    pieces = (
        _piece_of_entity(row, text, at=at, report=report)
        if labels is None
        else _piece_of_pair(row, at=at, report=report)
        for row in rows
    )
    return text, [piece for piece in pieces if piece is not None]


def _text_problem(text: object) -> str | None:
    if not isinstance(text, str):
        return "no text" if text is None else "text is no string"
    if not text.strip():
        return "text is empty"
    return None if _is_unicode(text) else "text is not valid Unicode (half a surrogate pair)"


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _piece_of_pair(row: object, *, at: int, report: ProblemReport) -> TaggedPiece | None:
    if not isinstance(row, list | tuple) or len(row) != 2:
        report.rejected(at, BAD_PIECE, f"not a pair of piece and tag: {_show(row)}")
        return None
    return _make_piece(row[0], row[1], at=at, report=report)


def _piece_of_entity(row: object, text: str, *, at: int, report: ProblemReport) -> TaggedPiece | None:
    if not isinstance(row, dict):
        report.rejected(at, BAD_PIECE, f"not an object with text and label: {_show(row)}")
        return None
    label = row.get("label")
    if isinstance(label, str) and (parts := split_tag(label.strip())) and parts[1]:
        report.repaired(at, TAG_FOR_LABEL, f"{label!r} taken as {parts[1]!r}")
        label = parts[1]
    if isinstance(label, str):
        label = label.strip() if label.strip() == "O" else f"B-{label.strip()}"
    start, end = offsets = (row.get("start"), row.get("end"))
    if "text" in row:
        piece = row["text"]
    elif isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
        piece = text[start:end]
    else:
        piece = None
    return _make_piece(piece, label, at=at, report=report, offsets=None if offsets == (None, None) else offsets)


def _make_piece(
    text: object, tag: object, *, at: int, report: ProblemReport, offsets: tuple[object, object] | None = None
) -> TaggedPiece | None:
    if isinstance(text, int) and not isinstance(text, bool):
        report.repaired(at, NOT_TEXT, f"{text} taken as the text '{text}'")
        text = str(text)
    if not isinstance(text, str) or not text.strip() or not isinstance(tag, str) or not _is_unicode(tag):
        report.rejected(at, BAD_PIECE, f"no text or no tag: {_show([text, tag])}")
        return None
    return TaggedPiece(text, tag.strip(), offsets)


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."
