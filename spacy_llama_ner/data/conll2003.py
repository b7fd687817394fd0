"""The three splits of CoNLL-2003 (English), from a folder or from the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .conll import DOC_START, Document, Sentence, read_conll
from .report import Report
from .tags import repair, to_bio2

if TYPE_CHECKING:
    from datasets import Dataset

HUB_NAME = "eriktks/conll2003"
HUB_REVISION = "refs/convert/parquet"
# corpus file → file in a folder, split on the Hub
SPLITS = {"train": ("train.txt", "train"), "dev": ("valid.txt", "validation"), "test": ("test.txt", "test")}


def read_folder(folder: Path) -> Iterator[tuple[str, list[Document], Report]]:
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
        report = Report(str(folder / file), "line")
        yield name, read_conll(folder / file, report), report


def read_hub() -> Iterator[tuple[str, list[Document], Report]]:
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
        report = Report(f"{HUB_NAME}/{split}", "record")
        yield name, _documents(splits[split], report), report


def _documents(rows: Dataset, report: Report) -> list[Document]:
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
