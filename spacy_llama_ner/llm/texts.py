"""Reading texts to be labelled: plain lines, JSONL, Parquet or DocBins, tokenised or not, one at a time."""

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
from ..apply.job import RECORD_FORMATS

TXT = ".txt"
JSONL = ".jsonl"
WORD_KEYS = ("tokens", "words")
PART_SIZE = 2000


def count_texts(path: Path) -> int:
    """Count the lines or records of a file, empty ones included.

    Args:
        path: The file.

    Returns:
        How many there are.

    Raises:
        ApplyError: If it is a file of another kind, or cannot be read.
    """
    suffix = _check_suffix(path)
    format = RECORD_FORMATS[JSONL if suffix == TXT else suffix]
    return sum(size for _, size, _ in format.split(path, PART_SIZE))


def read_texts(path: Path, nlp: Language, *, text_key: str = "text") -> Iterator[tuple[int, Doc | str]]:
    """Read the texts of a file.

    Args:
        path: The file. A line of a `.txt` file is a text; empty lines are skipped. A record of a `.jsonl` or
            `.parquet` file has its text at `text_key`; where a line of JSON has a list of words at "tokens" or
            "words", besides or instead, these are its tokens. The docs of a `.spacy` file keep their words, too.
        nlp: Its tokenizer is used for texts that come without words.
        text_key: Field of a record that holds the text.

    Yields:
        Number, from 1, and Doc without entities of each text; in place of the Doc, what is wrong with a record.

    Raises:
        ApplyError: If it is a file of another kind, or cannot be read.
    """
    nlp.max_length = sys.maxsize
    for number, record in _read_records(path, nlp, text_key):
        if isinstance(record, BadRecord):
            yield number, record.reason
            continue
        doc = nlp.make_doc(record.text) if isinstance(record.text, str) else record.text
        yield number, doc if doc.text.strip() else "the text is empty"


def _check_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix != TXT and suffix not in RECORD_FORMATS:
        raise ApplyError(f"{path} is no {TXT}, {', '.join(RECORD_FORMATS)} file. Convert it to one of these.")
    if not path.is_file():
        raise ApplyError(f"There is no file {path}. Give the name of one that exists.")
    return suffix


def _read_records(path: Path, nlp: Language, text_key: str) -> Iterator[tuple[int, Record | BadRecord]]:
    suffix = _check_suffix(path)
    if suffix in (TXT, JSONL):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _parse_line(line, number, text_key, nlp, is_json=suffix == JSONL)
        return
    format = RECORD_FORMATS[suffix]
    for i, (first, size, offset) in enumerate(format.split(path, PART_SIZE)):
        part = InputPart(i, path, first, size, offset)
        yield from enumerate(format.read(part, text_key=text_key, vocab=nlp.vocab), start=first + 1)


def _parse_line(line: bytes, number: int, text_key: str, nlp: Language, *, is_json: bool) -> Record | BadRecord:
    try:
        # a byte order mark may stand at the beginning of the file
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return BadRecord(number, f"not UTF-8: {error}")
    return _parse_json(text, number, text_key, nlp) if is_json else Record(text.strip("\r\n"))


def _parse_json(line: str, number: int, text_key: str, nlp: Language) -> Record | BadRecord:
    try:
        fields = json.loads(line)
    except ValueError as error:
        return BadRecord(number, f"not JSON: {error}")
    words = next((fields[key] for key in WORD_KEYS if key in fields), None) if isinstance(fields, dict) else None
    if words is None:
        return to_record(fields, number, text_key)
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        return BadRecord(number, f"expected a list of words, got {words!r}"[:200])
    if text_key not in fields:
        return Record(Doc(nlp.vocab, words=words))
    record = to_record(fields, number, text_key)
    if isinstance(record, BadRecord):
        return record
    try:
        words, spaces = get_words_and_spaces(words, str(record.text))
        return Record(Doc(nlp.vocab, words=words, spaces=spaces))
    except ValueError as error:
        return BadRecord(number, f"the words are not those of the text: {error}")
