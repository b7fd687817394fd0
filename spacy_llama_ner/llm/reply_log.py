"""The log of replies: each is on the disk before anything is done with it, since it was paid for.

A file of JSON lines that only grows, one reply a line, under the key of its request (`ChatRequest.key`). A request
whose replies could not be used has several lines, in the order in which they came. A process that is killed leaves
at most a torn last line; that, and any other line that is damaged, is dropped when the log is opened the next time,
so that only its request is sent again.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from ..data.errors import LlamaNERError
from .backends.base import Reply

LINE_START = b'{"key": "'
FIELDS: dict[str, Any] = {
    "text": str,
    "input_tokens": int,
    "output_tokens": int,
    "seconds": (int, float),
    "cut": bool,
}


class ReplyLogError(LlamaNERError):
    """A log that another process holds, or a file that is no log."""


class ReplyLog:
    """The log at `path`, which is created if it does not exist.

    A context manager; one process at a time may hold it. Entering raises `ReplyLogError` when another process holds
    the log or `path` is another kind of file, and OSError when it cannot be written. It takes some 200 bytes of
    memory a request; the replies stay on the disk.

    Attributes:
        path: The file.
        dropped: How many lines were damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped = 0
        self._offsets: dict[bytes, tuple[int, ...]] = {}
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def __enter__(self) -> ReplyLog:
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ReplyLogError(
                f"Another process is writing to {self.path}. Wait for it to end, or give another log."
            ) from None
        try:
            self._end = self._index_lines()
            self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
            # one thread reads while another writes
            self._reader = self.path.open("rb")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        self._reader.close()
        self._lock.release()

    def replies(self, key: str) -> list[Reply]:
        """Return all replies to the request with this key, in the order in which they came."""
        return [self._read(offset) for offset in self._offsets.get(bytes.fromhex(key), ())]

    async def add(self, key: str, reply: Reply) -> None:
        """Append a reply; it is on the disk when this returns.

        Replies that arrive while the disk is busy are written together, with one wait for the disk.

        Args:
            key: Of the request, see `ChatRequest.key`.
            reply: To be logged.

        Raises:
            OSError: If the log cannot be written.
        """
        line = json.dumps({"key": key, **{name: getattr(reply, name) for name in FIELDS}}) + "\n"
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((key, line.encode(), written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_waiting())
        await written

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._append, b"".join(line for _, line, _ in batch))
            except OSError as error:
                for _, _, written in batch:
                    if not written.done():
                        written.set_exception(error)
                continue
            for key, line, written in batch:
                self._add_offset(key, self._end)
                self._end += len(line)
                if not written.done():
                    written.set_result(None)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError:
            # the next line must not be glued to half a line
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise

    def _add_offset(self, key: str, offset: int) -> None:
        known = self._offsets.get(bytes.fromhex(key), ())
        self._offsets[bytes.fromhex(key)] = (*known, offset)

    def _read(self, offset: int) -> Reply:
        self._reader.seek(offset)
        return _to_reply(json.loads(self._reader.readline()))

    def _index_lines(self) -> int:
        """Note where the lines are, cut off a torn last one, and return the length of the file."""
        end = 0
        with self.path.open("a+b") as lines:
            lines.seek(0)
            if not LINE_START.startswith(lines.read(len(LINE_START))):
                raise ReplyLogError(f"{self.path} does not begin like a log of replies. Give another file.")
            lines.seek(0)
            for line in lines:
                if not line.endswith(b"\n"):
                    self.dropped += 1
                    break
                try:
                    row = json.loads(line)
                    _to_reply(row)
                    self._add_offset(row["key"], end)
                except (ValueError, TypeError, KeyError):
                    self.dropped += 1
                end += len(line)
            lines.truncate(end)
        return end


def _to_reply(row: dict[str, Any]) -> Reply:
    fields = {name: row[name] for name in FIELDS}
    if not all(isinstance(fields[name], kind) for name, kind in FIELDS.items()):
        raise TypeError(f"not a reply: {fields}")
    return Reply(**fields)
