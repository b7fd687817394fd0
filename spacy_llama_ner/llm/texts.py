"""Texts to be labelled: plain lines, JSONL, Parquet or DocBins, tokenised or not, one at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_words_and_spaces

from ..apply import ApplyError, InputPart
from ..apply.formats import BadRecord, Record, to_record
from ..apply.job import FORMATS

PLAIN = ".txt"
LINES = ".jsonl"
WORDS = ("tokens", "words")
PART = 2000


def count_texts(path: Path) -> int:
    """How many lines or records `path` has, empty ones included. Raises: ValueError for a file of another kind."""
    suffix = _suffix(path)
    return sum(size for _, size, _ in FORMATS[LINES if suffix == PLAIN else suffix].cut(path, PART))


def read_texts(path: Path, nlp: Language, *, text_key: str = "text") -> Iterator[tuple[int, Doc | str]]:
    """Number, from 1, and Doc of each text, without entities; in place of the Doc, what is wrong with a record.

    A line of a `.txt` file is a text, tokenised by `nlp`. A record of a `.jsonl` or `.parquet` file has it at
    `text_key`; where it has a list of words at "tokens" or "words" besides or instead, these are its tokens. The docs
    of a `.spacy` file keep their words, too. Empty lines are passed over.

    Raises: ValueError for a file of another kind, or one that cannot be read.
    """
    nlp.max_length = sys.maxsize
    for number, record in _records(path, nlp, text_key):
        if isinstance(record, BadRecord):
            yield number, record.reason
            continue
        doc = nlp.make_doc(record.text) if isinstance(record.text, str) else record.text
        yield number, doc if doc.text.strip() else "the text is empty"


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix != PLAIN and suffix not in FORMATS:
        raise ApplyError(f"{path} is no {PLAIN}, {', '.join(FORMATS)} file. Convert it to one of these.")
    if not path.is_file():
        raise ApplyError(f"There is no file {path}.")
    return suffix


def _records(path: Path, nlp: Language, text_key: str) -> Iterator[tuple[int, Record | BadRecord]]:
    suffix = _suffix(path)
    if suffix in (PLAIN, LINES):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    record = _plain(line, number) if suffix == PLAIN else _from_json(line, number, text_key, nlp)
                    yield number, record
        return
    for i, (first, size, offset) in enumerate(FORMATS[suffix].cut(path, PART)):
        part = InputPart(i, path, first, size, offset)
        yield from enumerate(FORMATS[suffix].read(part, text_key=text_key, vocab=nlp.vocab), start=first + 1)


def _plain(line: bytes, number: int) -> Record | BadRecord:
    try:
        return Record(line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n"))
    except UnicodeDecodeError as error:
        return BadRecord(number, f"not UTF-8: {error}")


def _from_json(line: bytes, number: int, text_key: str, nlp: Language) -> Record | BadRecord:
    try:
        fields = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except ValueError as error:
        return BadRecord(number, f"not JSON: {error}")
    words = next((fields[key] for key in WORDS if key in fields), None) if isinstance(fields, dict) else None
    if words is None:
        return to_record(fields, number, text_key)
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        return BadRecord(number, f"expected a list of words, got {words!r}"[:200])
    if text_key not in fields:
        return Record(Doc(nlp.vocab, words=words))
    record = to_record(fields, number, text_key)
    try:
        return record if isinstance(record, BadRecord) else Record(_in_text(words, str(record.text), nlp))
    except ValueError as error:
        return BadRecord(number, f"the words are not those of the text: {error}")


def _in_text(words: list[str], text: str, nlp: Language) -> Doc:
    words, spaces = get_words_and_spaces(words, text)
    return Doc(nlp.vocab, words=words, spaces=spaces)
