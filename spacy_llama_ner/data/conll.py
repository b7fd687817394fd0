"""CoNLL columns: one word a line, a blank line behind each sentence, `-DOCSTART-` before each document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import tags as bio
from .files import read_utf8
from .report import Report

DOC_START = "-DOCSTART-"
COLUMNS = {4: "word, POS, chunk, NER", 2: "word, NER"}
BAD_LINE = "malformed line"
COMMENT = "comment"

_SEPARATOR = re.compile(r"[ \t]+")


@dataclass
class Sentence:
    """The columns of one sentence, of one length. `ner` and `chunks` are BIO2; None is a missing column.

    In both, "-" is a word without annotation.
    """

    words: list[str]
    ner: list[str]
    pos: list[str] | None = None
    chunks: list[str] | None = None


Document = list[Sentence]


@dataclass
class _Rows:
    """The lines of one sentence as they stand in the file."""

    document: int
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def column(self, i: int) -> list[str]:
        return [row[i] for row in self.rows]


def read_conll(path: Path, report: Report, *, labels: Collection[str] | None = None) -> list[Document]:
    """Read a file of four (word, POS, chunk, NER) or two (word, NER) columns into documents of sentences.

    Columns are separated by spaces or tabs; a byte order mark, CRLF, blank lines with spaces and a missing
    last newline do no harm. The number of columns is that of most lines. Tags become BIO2; whether they were
    IOB1 is found for the whole file, by `tags.is_iob1`; "-" is a word without annotation. A file without
    `-DOCSTART-` is one document.

    Into `report` go, with their line number: a comment (`#` and words before a sentence), which is left out; a line
    with another number of columns (its sentence is rejected); and in the NER column what `tags.repair` repairs,
    `labels` being the labels that are allowed (None: all).

    Raises: ValueError when the file is not UTF-8 or no line has two or four columns.
    """
    sentences = list(_split(read_utf8(path), report))
    widths = Counter(len(row) for each in sentences for row in each.rows if len(row) in COLUMNS)
    if not widths:
        wanted = " or ".join(f"{n} columns ({names})" for n, names in COLUMNS.items())
        raise ValueError(f"{path} is not in CoNLL format: no line has {wanted}.")
    width = widths.most_common(1)[0][0]
    usable = [each for each in sentences if _check(each, width, report)]
    iob1 = bio.is_iob1(each.column(-1) for each in usable)
    documents: dict[int, Document] = {}
    for each in usable:
        ner, problems = bio.repair(each.column(-1), labels=labels)
        for i, problem in problems:
            if not (iob1 and problem == bio.LOST_START):
                word, tag = each.rows[i][0], each.rows[i][-1]
                report.repaired(each.lines[i], problem, f"{word!r}: {tag} became {ner[i]}")
        sentence = Sentence(each.column(0), ner)
        if width == 4:
            sentence.pos = each.column(1)
            # shallow-parsing tags are a by-product here: brought into form, not judged
            sentence.chunks = bio.to_bio2(each.column(2))
        documents.setdefault(each.document, []).append(sentence)
    return list(documents.values())


def _split(text: str, report: Report) -> Iterator[_Rows]:
    """Sentences in order. Only line feeds end a line: other Unicode breaks may be part of a word."""
    current = _Rows(document=0)
    document = 0
    for number, line in enumerate(text.split("\n"), start=1):
        columns = _SEPARATOR.split(line.strip(" \t"))
        opens_document = columns[0] == DOC_START
        if columns == [""] or opens_document:
            if current.rows:
                yield current
            document += opens_document
            current = _Rows(document)
        elif columns[0] == "#" and not current.rows and not bio.is_tag(columns[-1]):
            report.repaired(number, COMMENT, f"{line.strip()!r} left out")
        else:
            current.lines.append(number)
            current.rows.append(columns)
    if current.rows:
        yield current


def _check(sentence: _Rows, width: int, report: Report) -> bool:
    """Whether all lines have `width` columns; those that have not are reported."""
    bad = [(n, row) for n, row in zip(sentence.lines, sentence.rows, strict=True) if len(row) != width]
    for number, row in bad:
        count = f"{len(row)} column{'s' * (len(row) > 1)}"
        report.rejected(number, BAD_LINE, f"{' '.join(row)!r} has {count}, not {width}: its sentence is left out")
    return not bad
