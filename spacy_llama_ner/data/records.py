"""Records of LLM-made JSON: reading the file and the shapes that a record may have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from .bio_tags import split_tag, starts_entity
from .files import read_utf8
from .problems import ProblemReport

BAD_JSON = "invalid JSON"
BAD_RECORD = "unusable record"
BAD_PIECE = "unusable piece"
NOT_TEXT = "number for text"
TAG_FOR_LABEL = "tag for label"


@dataclass(frozen=True)
class Piece:
    """A tagged piece of the text; `offsets`, where the record gives them, are claims yet to be checked."""

    text: str
    tag: str
    offsets: tuple[object, object] | None = None


def read_records(path: Path, report: ProblemReport) -> Iterator[tuple[int, object]]:
    """Parsed records with their number, from 1, whatever they hold.

    The file is a JSON list of records, one record, or JSONL (one record a line; blank lines do no harm). A
    line that is no JSON is rejected and reported. An object that names a key twice comes back as a list of
    [key, value] pairs, since a dict would lose one of them.

    Raises: ValueError when the file is not UTF-8, or is a JSON list that is broken.
    """
    text = read_utf8(path)
    if path.suffix.lower() != ".jsonl":
        try:
            data = _parse(text)
        except (ValueError, RecursionError) as error:
            if text.lstrip().startswith("["):
                raise ValueError(
                    f"{path} starts like a JSON list, but is not valid JSON: {error}. Put it right there, or "
                    "write one record a line to a .jsonl file: then only the bad lines are lost."
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
            record = _parse(line)
        except (ValueError, RecursionError) as error:
            report.rejected(number, BAD_JSON, f"{error}: {line[:80]!r}")
            continue
        yield number, record


def _parse(text: str) -> object:
    return json.loads(text, object_pairs_hook=keep_pairs)


def keep_pairs(pairs: list[tuple[str, object]]) -> object:
    """A JSON object as a dict, or as a list of [key, value] where a key stands twice."""
    return dict(pairs) if len({key for key, _ in pairs}) == len(pairs) else [list(pair) for pair in pairs]


def parse_record(record: object, at: int, report: ProblemReport) -> tuple[str, list[Piece]] | None:
    """Text and tagged pieces of a record, or None when it is unusable; problems go into `report`.

    A record is an object with a non-empty "text" and either "labels" (a list of [piece, tag] pairs or an
    object of piece: tag, tags being BIO) or "entities" (a list of objects with "label", and "text" or "start" and
    "end" in characters, or all of these). An empty list says that the text has no entity; no list at all
    says nothing, so the record is rejected. A piece that is a whole number is taken as text (repaired); every
    other value that is no string makes the piece unusable (rejected, the rest of the record is kept). A BIO
    tag in the place of a label is taken as the tag (repaired).
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
    read = _from_pair if labels is not None else _from_entity
    return text, [piece for row in rows if (piece := read(row, text, at, report)) is not None]


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


def _from_pair(row: object, text: str, at: int, report: ProblemReport) -> Piece | None:
    if not isinstance(row, list | tuple) or len(row) != 2:
        report.rejected(at, BAD_PIECE, f"not a pair of piece and tag: {_show(row)}")
        return None
    return _piece(row[0], row[1], at=at, report=report)


def _from_entity(row: object, text: str, at: int, report: ProblemReport) -> Piece | None:
    if not isinstance(row, dict):
        report.rejected(at, BAD_PIECE, f"not an object with text and label: {_show(row)}")
        return None
    label = row.get("label")
    if isinstance(label, str) and (parts := split_tag(label.strip())) and parts[1]:
        report.repaired(at, TAG_FOR_LABEL, f"{label!r} taken as {parts[1]!r}")
        label = parts[1]
    if isinstance(label, str):
        label = label.strip() if label.strip() == "O" else f"B-{label.strip()}"
    offsets = (row.get("start"), row.get("end"))
    piece = row["text"] if "text" in row else _between(text, *offsets)
    return _piece(piece, label, at=at, report=report, offsets=None if offsets == (None, None) else offsets)


def _between(text: str, start: object, end: object) -> str | None:
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
        return text[start:end]
    return None


def _piece(
    text: object, tag: object, *, at: int, report: ProblemReport, offsets: tuple[object, object] | None = None
) -> Piece | None:
    if isinstance(text, int) and not isinstance(text, bool):
        report.repaired(at, NOT_TEXT, f"{text} taken as the text '{text}'")
        text = str(text)
    if not isinstance(text, str) or not text.strip() or not isinstance(tag, str) or not _is_unicode(tag):
        report.rejected(at, BAD_PIECE, f"no text or no tag: {_show([text, tag])}")
        return None
    return Piece(text, tag.strip(), offsets)


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."


def continuations(pieces: list[Piece], label: str) -> list[str]:
    """The texts of the pieces that go on the entity before them."""
    parts = ((piece.text.strip(), split_tag(piece.tag)) for piece in pieces)
    return [text for text, _ in takewhile(lambda p: p[1] is not None and _goes_on(p[1], label), parts)]


def _goes_on(parts: tuple[str, str], label: str) -> bool:
    return parts[0] != "O" and not starts_entity(parts[0]) and parts[1] == label
