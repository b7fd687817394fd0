"""CoNLL columns: one word a line, a blank line behind each sentence, `-DOCSTART-` before each document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from . import bio_tags as bio
from .bio_tags import MISSING, repair, tag_spans, to_bio2
from .files import read_utf8
from .problems import ProblemReport

if TYPE_CHECKING:
    from datasets import Dataset

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


def read_conll(path: Path, report: ProblemReport, *, labels: Collection[str] | None = None) -> list[Document]:
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


def _split(text: str, report: ProblemReport) -> Iterator[_Rows]:
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


def _check(sentence: _Rows, width: int, report: ProblemReport) -> bool:
    """Whether all lines have `width` columns; those that have not are reported."""
    bad = [(n, row) for n, row in zip(sentence.lines, sentence.rows, strict=True) if len(row) != width]
    for number, row in bad:
        count = f"{len(row)} column{'s' * (len(row) > 1)}"
        report.rejected(number, BAD_LINE, f"{' '.join(row)!r} has {count}, not {width}: its sentence is left out")
    return not bad


HUB_NAME = "eriktks/conll2003"
HUB_REVISION = "refs/convert/parquet"
# corpus file → file in a folder, split on the Hub
SPLITS = {"train": ("train.txt", "train"), "dev": ("valid.txt", "validation"), "test": ("test.txt", "test")}


def read_folder(folder: Path) -> Iterator[tuple[str, list[Document], ProblemReport]]:
    """Name ("train", "dev", "test"), documents and problems of each split in a folder.

    The folder holds `train.txt`, `valid.txt` and `test.txt` in four columns, as `conll.read_conll` reads
    them.

    Raises: FileNotFoundError that names the files which are not there.
    """
    missing = [file for file, _ in SPLITS.values() if not (folder / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} has no {', '.join(missing)}. Give a folder with train.txt, valid.txt and test.txt "
            "(word, POS, chunk and NER columns)."
        )
    for name, (file, _) in SPLITS.items():
        report = ProblemReport(str(folder / file), "line")
        yield name, read_conll(folder / file, report), report


def read_hub() -> Iterator[tuple[str, list[Document], ProblemReport]]:
    """Name ("train", "dev", "test"), documents and problems of each split of the Hub's data set.

    It comes through `datasets` from the branch with the converted parquet files, so no script of the data set
    is run. Rows that are `-DOCSTART-` and nothing more separate documents. The Hub's copy has left them out:
    each split is then one document of unrelated sentences, good for single sentences only.

    Raises: ImportError without `datasets`; OSError when the data set cannot be had; ValueError when it has
    other columns.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ImportError(
            "CoNLL-2003 from the Hub needs the package `datasets`: pip install 'spacy_llama_ner[project]'. "
            "Or give a folder with train.txt, valid.txt and test.txt."
        ) from error
    try:
        splits = load_dataset(HUB_NAME, revision=HUB_REVISION)
    except (OSError, ValueError) as error:
        raise OSError(
            f"The data set {HUB_NAME} (branch {HUB_REVISION}) cannot be had from the Hub: {error} "
            "Look at the connection, or give a folder with train.txt, valid.txt and test.txt."
        ) from error
    for name, (_, split) in SPLITS.items():
        if split not in splits:
            raise ValueError(f"The data set {HUB_NAME} has no split {split!r}, only {', '.join(splits)}.")
        report = ProblemReport(f"{HUB_NAME}/{split}", "record")
        yield name, _documents(splits[split], report), report


def _documents(rows: Dataset, report: ProblemReport) -> list[Document]:
    pos, chunks, ner = (_names(rows, column) for column in ("pos_tags", "chunk_tags", "ner_tags"))
    documents: list[Document] = [[]]
    for at, row in enumerate(rows, start=1):
        words = row["tokens"]
        if words == [DOC_START]:
            documents.append([])
            continue
        if not words:
            report.rejected(at, "empty sentence", "it has no words")
            continue
        tags, problems = repair([ner[i] for i in row["ner_tags"]])
        for i, problem in problems:
            report.repaired(at, problem, f"{words[i]!r}: {ner[row['ner_tags'][i]]} became {tags[i]}")
        sentence = Sentence(words, tags, [pos[i] for i in row["pos_tags"]])
        sentence.chunks = to_bio2([chunks[i] for i in row["chunk_tags"]])
        documents[-1].append(sentence)
    return [document for document in documents if document]


def _names(rows: Dataset, column: str) -> list[str]:
    """Names behind the numbers of a class-label column."""
    feature: Any = rows.features.get(column)
    names = getattr(getattr(feature, "feature", None), "names", None)
    if names is None:
        raise ValueError(
            f"The data set {HUB_NAME} has no column {column!r} with named class labels, but {feature}. "
            "Give a folder with train.txt, valid.txt and test.txt."
        )
    return list(names)


CHUNKS = "chunks"


def make_docs(documents: Iterable[Document], vocab: Vocab, *, sents: int = 1) -> Iterator[Doc]:
    """One Doc per `sents` sentences; 0 gives one Doc per document. No Doc holds sentences of two documents.

    A Doc has the words of the data (the text being the words with spaces between; `has_unknown_spaces` is
    set, so that spaCy's corpus reader keeps these words rather than tokenizing the text), sentence starts and
    entities. Where the data has them, POS tags are in `token.tag_` and chunks in the span group
    `doc.spans["chunks"]`, which a DocBin keeps.

    Raises: ValueError when `sents` is negative.
    """
    if sents < 0:
        raise ValueError(f"`sents` is {sents}; give 0 for whole documents, 1 for sentences, N for N sentences.")
    for document in documents:
        size = sents or len(document)
        for start in range(0, len(document), size):
            yield _make_doc(document[start : start + size], vocab)


def _make_doc(sentences: list[Sentence], vocab: Vocab) -> Doc:
    tags = [tag for sentence in sentences for tag in sentence.pos or []]
    doc = Doc(
        vocab,
        words=[word for sentence in sentences for word in sentence.words],
        tags=tags or None,
        sent_starts=[i == 0 for sentence in sentences for i in range(len(sentence.words))],
        # what `Doc` takes for a word without annotation
        ents=["" if tag == MISSING else tag for sentence in sentences for tag in sentence.ner],
    )
    if any(sentence.chunks for sentence in sentences):
        chunks = list(chain.from_iterable(sentence.chunks or [] for sentence in sentences))
        doc.spans[CHUNKS] = [Span(doc, start, end, label=label) for start, end, label in tag_spans(chunks)]
    return doc
