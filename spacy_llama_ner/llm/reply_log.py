"""The log of replies: each is on the disk before anything is done with it, since it was paid for.

A file of JSON lines that only grows, one reply a line, under the key of its question (`Question.key`). A question
whose replies could not be used has several lines, in the order in which they came. A process that is killed leaves
at most a torn last line; that, and any other line that is not whole, is dropped when the log is opened the next
time, so that only its question is asked again.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .backends.base import Reply

START = b'{"key": "'
FIELDS: dict[str, Any] = {
    "text": str,
    "input_tokens": int,
    "output_tokens": int,
    "seconds": (int, float),
    "cut": bool,
}


class ReplyLog:
    """The log at `path`, which is made if it is not there. A context manager; one process at a time may hold it.

    dropped: how many lines were not whole.
    Memory: some 200 bytes a question; the replies stay on the disk.

    Raises, on entering: ValueError where another process holds the log or `path` is something else, OSError where
    it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped = 0
        self._places: dict[bytes, tuple[int, ...]] = {}
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def __enter__(self) -> ReplyLog:
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"Another process is writing to {self.path}. Wait for it to end, or give another log."
            ) from None
        try:
            self._end = self._find_lines()
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
        """All replies to the question with this key, in the order in which they came."""
        return [self._read(place) for place in self._places.get(bytes.fromhex(key), ())]

    async def add(self, key: str, reply: Reply) -> None:
        """Append a reply. It is on the disk when this returns.

        Replies that arrive while the disk is busy are written together, with one wait for the disk.
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
                self._note(key, self._end)
                self._end += len(line)
                if not written.done():
                    written.set_result(None)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError:
            # half a line must not be in front of the next
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise

    def _note(self, key: str, place: int) -> None:
        known = self._places.get(bytes.fromhex(key), ())
        self._places[bytes.fromhex(key)] = (*known, place)

    def _read(self, place: int) -> Reply:
        self._reader.seek(place)
        return _reply(json.loads(self._reader.readline()))

    def _find_lines(self) -> int:
        """Note where the lines are, cut a torn one off the end, and give the length of the file."""
        end = 0
        with self.path.open("a+b") as lines:
            lines.seek(0)
            if not START.startswith(lines.read(len(START))):
                raise ValueError(f"{self.path} does not begin like a log of replies. Give another file.")
            lines.seek(0)
            for line in lines:
                if not line.endswith(b"\n"):
                    self.dropped += 1
                    break
                try:
                    row = json.loads(line)
                    _reply(row)
                    self._note(row["key"], end)
                except (ValueError, TypeError, KeyError):
                    self.dropped += 1
                end += len(line)
            lines.truncate(end)
        return end


def _reply(row: dict[str, Any]) -> Reply:
    fields = {name: row[name] for name in FIELDS}
    if not all(isinstance(fields[name], kind) for name, kind in FIELDS.items()):
        raise TypeError(f"not a reply: {fields}")
    return Reply(**fields)
