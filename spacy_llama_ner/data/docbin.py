"""DocBins: spaCy's binary corpus files (`.spacy`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc

from .docbin_stream import DocBinStream
from .files import written_whole


@dataclass
class Summary:
    """What a corpus file holds; `entities` is by label.

    `sentences` counts sentence starts. Where none are marked, spaCy still has one in each doc of one token.
    """

    docs: int = 0
    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)

    def add(self, doc: Doc) -> None:
        """Count `doc` in."""
        self.docs += 1
        self.tokens += len(doc)
        self.entities.update(ent.label_ for ent in doc.ents)
        if doc.has_annotation("SENT_START"):
            self.sentences += sum(token.is_sent_start is True for token in doc)


def docbin_files(path: Path) -> list[Path]:
    """A file, or the .spacy files of a folder by name; as spaCy does, what is hidden is passed over."""
    if path.is_file():
        return [path]
    files = {file: file.relative_to(path).parts for file in sorted(path.rglob("*.spacy"))}
    return [file for file, parts in files.items() if not any(part.startswith(".") for part in parts)]


def write_docbin(docs: Iterable[Doc], path: Path) -> Summary:
    """Write `docs` to `path` as one DocBin, span groups included, and count them.

    The file appears whole or not at all. User data is not stored. The docs are not kept in memory.

    Raises: ValueError when there is not one doc, since `spacy train` cannot use such a file.
    """
    summary = Summary()
    with DocBinStream(path.parent) as stream:
        for doc in docs:
            stream.add(doc)
            summary.add(doc)
        if not summary.docs:
            raise ValueError(f"There is nothing to write to {path}: the input held no usable text.")
        with written_whole(path) as partial:
            stream.write(partial)
    return summary
