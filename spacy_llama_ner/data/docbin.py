"""DocBins, spaCy's binary corpus files (`.spacy`): finding them, and writing them without keeping docs in memory."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from spacy.tokens import Doc, DocBin
from srsly.msgpack import Packer

from .errors import DataError, LlamaNERError
from .files import atomic_write

# bytes that are copied at once from a temporary file
COPY_SIZE = 2**20
# members of a DocBin's message with one block of bytes for all docs, and those with a list of one item a doc
BLOCKS = ("tokens", "spaces", "lengths")
LISTS = ("cats", "flags", "span_groups")
# first byte of binary data in MessagePack, by the number of bytes of the length that follows
BINARY = {1: b"\xc4", 2: b"\xc5", 4: b"\xc6"}
# what a file that is no DocBin, or half of one, makes zlib, msgpack, numpy and spaCy raise
DAMAGED_CORPUS = (OSError, ValueError, KeyError, TypeError, zlib.error)


@contextmanager
def corpus_errors(corpus: str | Path, error_type: type[LlamaNERError] = DataError) -> Iterator[None]:
    """Turn what a corpus that cannot be read raises in the block into one error.

    Args:
        corpus: Its path or name, for the message.
        error_type: Class of the error.

    Raises:
        LlamaNERError: If the block raises one of `DAMAGED_CORPUS`; of the class `error_type`.
    """
    try:
        yield
    except DAMAGED_CORPUS as error:
        raise error_type(f"The corpus {corpus} cannot be read; is it whole? Convert it again.\n{error}") from error


@dataclass
class CorpusSummary:
    """Counts of what a corpus file holds.

    Attributes:
        docs: Number of docs.
        sentences: Number of sentence starts. Docs without any count none, except that spaCy always has one in a doc
            of one token.
        tokens: Number of tokens.
        entities: Number of entities by label.
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
    """Find corpus files.

    Args:
        path: A file or a folder.

    Returns:
        The file, or the .spacy files anywhere in the folder, sorted; as in spaCy, hidden ones are left out.
    """
    if path.is_file():
        return [path]
    files = {file: file.relative_to(path).parts for file in sorted(path.rglob("*.spacy"))}
    return [file for file, parts in files.items() if not any(part.startswith(".") for part in parts)]


def write_docbin(docs: Iterable[Doc], path: Path) -> CorpusSummary:
    """Write one DocBin, span groups included, whole or not at all. The docs are not kept in memory.

    Args:
        docs: The docs. Their user data is not stored.
        path: The file to write.

    Returns:
        The counts of what was written.

    Raises:
        DataError: If there are no docs, since `spacy train` cannot use such a file, or more than one file can hold.
        OSError: If the file cannot be written.
    """
    summary = CorpusSummary()
    with DocBinStream(path.parent) as stream:
        for doc in docs:
            stream.add(doc)
            summary.add(doc)
        if not summary.docs:
            raise DataError(f"There is nothing to write to {path}: the input held no usable text.")
        with atomic_write(path) as partial:
            stream.write(partial)
    return summary


class DocBinStream:
    """Take docs one by one, then write the file that `DocBin(docs=...).to_disk` would write, byte for byte.

    A context manager. The data of the docs waits in nameless temporary files; only the set of their strings is in
    memory. User data is not stored. The format is that of `DocBin.to_bytes`: MessagePack (https://msgpack.org),
    compressed by zlib.

    Args:
        folder: Where the temporary files are. It is made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = DocBin()
        # one for all docs: making a packer takes longer than all else that is done for a doc
        self._packer = Packer(use_bin_type=True)
        self._n_docs = 0

    def __enter__(self) -> DocBinStream:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files = ExitStack()
        self._parts: dict[str, IO[bytes]] = {
            name: self._files.enter_context(TemporaryFile(dir=self._folder))  # noqa: SIM115
            for name in BLOCKS + LISTS
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def add(self, doc: Doc) -> None:
        """Take a doc."""
        self._bin.add(doc)
        self._n_docs += 1
        tokens = self._bin.tokens.pop()
        self._parts["tokens"].write(tokens.tobytes("C"))
        self._parts["spaces"].write(self._bin.spaces.pop().tobytes("C"))
        self._parts["lengths"].write(len(tokens).to_bytes(4, "little"))
        for name in LISTS:
            self._parts[name].write(self._packer.pack(getattr(self._bin, name).pop()))

    def write(self, path: Path) -> None:
        """Write all docs to `path`."""
        compressor = zlib.compressobj()
        with path.open("wb") as file:
            for data in self._message():
                file.write(compressor.compress(data))
            file.write(compressor.flush())

    def _message(self) -> Iterator[bytes]:
        """Yield the message piece by piece, its members in the order of `DocBin.to_bytes`."""
        head: dict[str, Any] = {"version": self._bin.version, "attrs": self._bin.attrs}
        middle = {"strings": sorted(self._bin.strings)}
        yield self._packer.pack_map_header(len(head) + len(BLOCKS) + len(middle) + len(LISTS))
        yield from self._members(head)
        for name in BLOCKS:
            size = self._parts[name].tell()
            yield self._packer.pack(name) + _binary_header(size)
            yield from self._copy(name)
        yield from self._members(middle)
        for name in LISTS:
            yield self._packer.pack(name) + self._packer.pack_array_header(self._n_docs)
            yield from self._copy(name)

    def _members(self, values: dict[str, Any]) -> Iterator[bytes]:
        return (self._packer.pack(each) for pair in values.items() for each in pair)

    def _copy(self, name: str) -> Iterator[bytes]:
        part = self._parts[name]
        part.seek(0)
        while data := part.read(COPY_SIZE):
            yield data


def _binary_header(size: int) -> bytes:
    n_bytes = next((n for n in BINARY if size < 256**n), None)
    if n_bytes is None:
        raise DataError(f"A DocBin cannot hold {size} bytes in one block. Write several files.")
    return BINARY[n_bytes] + size.to_bytes(n_bytes, "big")
