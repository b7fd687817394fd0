"""DocBins: spaCy's binary corpus files (`.spacy`)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any

from spacy.tokens import Doc, DocBin
from srsly.msgpack import Packer

from .files import atomic_write

CHUNK = 2**20
BLOCKS = ("tokens", "spaces", "lengths")
LISTS = ("cats", "flags", "span_groups")
# first byte of binary data in MessagePack, by the number of bytes of the length that follows
BINARY = {1: b"\xc4", 2: b"\xc5", 4: b"\xc6"}


class DocBinStream:
    """Takes docs one by one, and then writes the file that `DocBin(docs=...).to_disk` would, byte by byte.

    What is said of each doc waits in nameless files in `folder`; in memory are the different strings alone. User data
    is not stored. The format is that of `DocBin.to_bytes`: MessagePack (https://msgpack.org), compressed by zlib.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = DocBin()
        # making one takes longer than all that is done for a doc
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
        head: dict[str, Any] = {"version": self._bin.version, "attrs": self._bin.attrs}
        middle = {"strings": sorted(self._bin.strings)}
        yield self._packer.pack_map_header(len(head) + len(BLOCKS) + len(middle) + len(LISTS))
        yield from self._members(head)
        for name in BLOCKS:
            size = self._parts[name].tell()
            yield self._packer.pack(name) + _binary_header(size)
            yield from self._chunks(name)
        yield from self._members(middle)
        for name in LISTS:
            yield self._packer.pack(name) + self._packer.pack_array_header(self._n_docs)
            yield from self._chunks(name)

    def _members(self, values: dict[str, Any]) -> Iterator[bytes]:
        return (self._packer.pack(each) for pair in values.items() for each in pair)

    def _chunks(self, name: str) -> Iterator[bytes]:
        part = self._parts[name]
        part.seek(0)
        while chunk := part.read(CHUNK):
            yield chunk


def _binary_header(size: int) -> bytes:
    n_bytes = next((n for n in BINARY if size < 256**n), None)
    if n_bytes is None:
        raise ValueError(f"A DocBin cannot hold {size} bytes in one block. Write several files.")
    return BINARY[n_bytes] + size.to_bytes(n_bytes, "big")


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
        with atomic_write(path) as partial:
            stream.write(partial)
    return summary
