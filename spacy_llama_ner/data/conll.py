"""CoNLL columns: one word a line, a blank line after each sentence, `-DOCSTART-` before each document.

`read_conll` reads one file; `read_conll2003_folder` and `read_conll2003_hub` read the three splits of CoNLL-2003,
from files or from the Hugging Face Hub; `make_docs` turns the sentences into spaCy docs.
"""

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

from .bio_tags import LOST_START, MISSING, is_iob1, is_tag, repair_tags, tag_spans, to_bio2
from .errors import DataError, MissingPackageError
from .files import read_utf8
from .problems import ProblemReport

if TYPE_CHECKING:
    from datasets import Dataset

DOC_START = "-DOCSTART-"
# what the columns of a file are, by their number
COLUMNS = {4: "word, POS, chunk, NER", 2: "word, NER"}
# key of the chunks in `doc.spans`
CHUNKS_KEY = "chunks"

# problems that are reported
BAD_LINE = "malformed line"
COMMENT = "comment"
EMPTY_SENTENCE = "empty sentence"

HUB_NAME = "eriktks/conll2003"
HUB_REVISION = "refs/convert/parquet"
# split → file in a folder, split on the Hub
SPLITS = {"train": ("train.txt", "train"), "dev": ("valid.txt", "validation"), "test": ("test.txt", "test")}

_SEPARATOR = re.compile(r"[ \t]+")


@dataclass
class Sentence:
    """The columns of one sentence, all of the same length.

    Attributes:
        words: The words.
        ner: BIO2 tags of the entities; "-" is a word without annotation.
        pos: Part-of-speech tags. None if the data has no such column.
        chunks: BIO2 tags of the chunks, as `ner`. None if the data has no such column.
    """

    words: list[str]
    ner: list[str]
    pos: list[str] | None = None
    chunks: list[str] | None = None


Document = list[Sentence]


def read_conll(path: Path, report: ProblemReport, *, labels: Collection[str] | None = None) -> list[Document]:
    """Read a file of four columns (word, POS, chunk, NER) or two (word, NER).

    Columns are separated by spaces or tabs; a byte order mark, CRLF, blank lines with spaces and a missing last
    newline do no harm. The number of columns is that of most lines. Tags become BIO2; whether they were IOB1 is found
    for the whole file, by `is_iob1`. A "-" is a word without annotation. A file without `-DOCSTART-` is one document.

    Args:
        path: The file.
        report: Gets the problems with their line numbers: comments (`#` and words before a sentence), which are left
            out; lines with another number of columns, whose sentences are rejected; and what `repair_tags` repairs in
            the NER column.
        labels: The labels that are allowed. None allows all.

    Returns:
        The documents, lists of sentences.

    Raises:
        DataError: If the file is not UTF-8 or no line has two or four columns.
    """
    sentences = list(_split_sentences(read_utf8(path), report))
    widths = Counter(len(row) for each in sentences for row in each.rows if len(row) in COLUMNS)
    if not widths:
        wanted = " or ".join(f"{n} columns ({names})" for n, names in COLUMNS.items())
        raise DataError(f"{path} is not in CoNLL format: no line has {wanted}.")
    width = widths.most_common(1)[0][0]
    usable = [each for each in sentences if _has_width(each, width, report)]
    iob1 = is_iob1(each.column(-1) for each in usable)
    documents: dict[int, Document] = {}
    for each in usable:
        ner, problems = repair_tags(each.column(-1), labels=labels)
        for i, problem in problems:
            if not (iob1 and problem == LOST_START):
                word, tag = each.rows[i][0], each.rows[i][-1]
                report.repaired(each.lines[i], problem, f"{word!r}: {tag} became {ner[i]}")
        sentence = Sentence(each.column(0), ner)
        if width == 4:
            sentence.pos = each.column(1)
            # chunks are a by-product here: brought into form, their problems not reported
            sentence.chunks = to_bio2(each.column(2))
        documents.setdefault(each.document, []).append(sentence)
    return list(documents.values())


@dataclass
class _Rows:
    """The lines of one sentence as they stand in the file: number of its document, line numbers, columns."""

    document: int
    lines: list[int] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)

    def column(self, i: int) -> list[str]:
        return [row[i] for row in self.rows]


def _split_sentences(text: str, report: ProblemReport) -> Iterator[_Rows]:
    current = _Rows(document=0)
    document = 0
    # only line feeds end a line: other Unicode breaks may be part of a word
    for number, line in enumerate(text.split("\n"), start=1):
        columns = _SEPARATOR.split(line.strip(" \t"))
        opens_document = columns[0] == DOC_START
        if columns == [""] or opens_document:
            if current.rows:
                yield current
            document += opens_document
            current = _Rows(document)
        elif columns[0] == "#" and not current.rows and not is_tag(columns[-1]):
            report.repaired(number, COMMENT, f"{line.strip()!r} left out")
        else:
            current.lines.append(number)
            current.rows.append(columns)
    if current.rows:
        yield current


def _has_width(sentence: _Rows, width: int, report: ProblemReport) -> bool:
    """Whether all lines have `width` columns; those that have not are reported."""
    bad = [(n, row) for n, row in zip(sentence.lines, sentence.rows, strict=True) if len(row) != width]
    for number, row in bad:
        count = f"{len(row)} column{'s' * (len(row) > 1)}"
        report.rejected(number, BAD_LINE, f"{' '.join(row)!r} has {count}, not {width}: its sentence is left out")
    return not bad


def read_conll2003_folder(folder: Path) -> Iterator[tuple[str, list[Document], ProblemReport]]:
    """Read the splits of CoNLL-2003 from files.

    Args:
        folder: Holds `train.txt`, `valid.txt` and `test.txt` with four columns each, as `read_conll` reads them.

    Yields:
        Name ("train", "dev", "test"), documents and problems of each split.

    Raises:
        FileNotFoundError: If files are missing. The message names them.
        DataError: If a file cannot be read as CoNLL columns.
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


def read_conll2003_hub() -> Iterator[tuple[str, list[Document], ProblemReport]]:
    """Read the splits of CoNLL-2003 from the Hub, through `datasets`.

    The data comes from the branch with the converted parquet files, so no script of the data set is run. Rows that
    hold nothing but `-DOCSTART-` separate documents. The Hub's copy has left them out: each split is then one
    document of unrelated sentences, good for single sentences only.

    Yields:
        Name ("train", "dev", "test"), documents and problems of each split.

    Raises:
        MissingPackageError: If `datasets` is not installed.
        OSError: If the Hub cannot be reached and the data set is not cached.
        DataError: If the data set has other splits or columns.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingPackageError(
            "CoNLL-2003 from the Hub needs the package `datasets`: pip install 'spacy_llama_ner[project]'. "
            "Or give a folder with train.txt, valid.txt and test.txt."
        ) from error
    try:
        splits = load_dataset(HUB_NAME, revision=HUB_REVISION)
    except (OSError, ValueError) as error:
        raise OSError(
            f"The data set {HUB_NAME} (branch {HUB_REVISION}) cannot be loaded from the Hub: {error} "
            "Check the connection, or give a folder with train.txt, valid.txt and test.txt."
        ) from error
    for name, (_, split) in SPLITS.items():
        if split not in splits:
            raise DataError(f"The data set {HUB_NAME} has no split {split!r}, only {', '.join(splits)}.")
        report = ProblemReport(f"{HUB_NAME}/{split}", "record")
        yield name, _read_rows(splits[split], report), report


def _read_rows(rows: Dataset, report: ProblemReport) -> list[Document]:
    pos, chunks, ner = (_class_names(rows, column) for column in ("pos_tags", "chunk_tags", "ner_tags"))
    documents: list[Document] = [[]]
    for at, row in enumerate(rows, start=1):
        words = row["tokens"]
        if words == [DOC_START]:
            documents.append([])
            continue
        if not words:
            report.rejected(at, EMPTY_SENTENCE, "it has no words")
            continue
        tags, problems = repair_tags([ner[i] for i in row["ner_tags"]])
        for i, problem in problems:
            report.repaired(at, problem, f"{words[i]!r}: {ner[row['ner_tags'][i]]} became {tags[i]}")
        sentence = Sentence(words, tags, [pos[i] for i in row["pos_tags"]])
        sentence.chunks = to_bio2([chunks[i] for i in row["chunk_tags"]])
        documents[-1].append(sentence)
    return [document for document in documents if document]


def _class_names(rows: Dataset, column: str) -> list[str]:
    """Return the names behind the numbers of a class-label column."""
    feature: Any = rows.features.get(column)
    names = getattr(getattr(feature, "feature", None), "names", None)
    if names is None:
        raise DataError(
            f"The data set {HUB_NAME} has no column {column!r} with named class labels, but {feature}. "
            "Give a folder with train.txt, valid.txt and test.txt."
        )
    return list(names)


def make_docs(documents: Iterable[Document], vocab: Vocab, *, sents: int = 1) -> Iterator[Doc]:
    """Turn sentences into docs. No doc holds sentences of two documents.

    Args:
        documents: As `read_conll` gives them.
        vocab: The vocabulary of the docs.
        sents: Sentences a doc. 0 makes one doc of each document.

    Yields:
        Docs with the words of the data, sentence starts and entities. Their text is the words with spaces between;
        `has_unknown_spaces` is set, so that spaCy's corpus reader keeps these words rather than tokenizing the text.
        POS tags, where the data has them, are in `token.tag_`, and chunks in the span group `doc.spans["chunks"]`,
        which a DocBin keeps.

    Raises:
        ValueError: If `sents` is negative.
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
        # "" is what `Doc` takes for a word without annotation
        ents=["" if tag == MISSING else tag for sentence in sentences for tag in sentence.ner],
    )
    if any(sentence.chunks for sentence in sentences):
        chunks = list(chain.from_iterable(sentence.chunks or [] for sentence in sentences))
        doc.spans[CHUNKS_KEY] = [Span(doc, start, end, label=label) for start, end, label in tag_spans(chunks)]
    return doc
