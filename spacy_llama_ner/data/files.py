"""Files: read as UTF-8, written whole or not at all, and folders in which a run can be resumed."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly

from .errors import DataError, LlamaNERError


def read_utf8(path: Path) -> str:
    """Read a text file.

    Returns:
        The text without a byte order mark; every kind of line end is a line feed.

    Raises:
        DataError: If the file is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Convert it, with iconv for example.") from error


def replace_non_finite(value: Any) -> Any:
    """Return `value` with None for infinity and NaN, which JSON cannot express, also within dicts and lists."""
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    If the block raises, the file at `path` stays what it was. Missing folders are made.

    Args:
        path: The file to write or to replace.

    Yields:
        A path beside `path` to write to. The file takes the place of `path` at the end of the block. Its name starts
        with a dot, so that spaCy's readers pass over what a killed process left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        # Windows flushes no file that is open for reading alone
        with partial.open("r+b") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Write a folder whole or not at all.

    If the block raises, the folder at `path` stays what it was. A process that is killed in the moment between the
    two renames leaves the old folder beside `path`, under a hidden name.

    Args:
        path: The folder to write, or to replace with all that is in it.

    Yields:
        The path of a folder beside `path`, yet to be made. It takes the place of `path` at the end of the block.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, replaced = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("partial", "replaced"))
    # a process that was killed may have had the same ID
    for leftover in (partial, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        yield partial
        if path.exists():
            os.replace(path, replaced)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def write_page(page: str, path: Path) -> None:
    """Write HTML or SVG, whole or not at all.

    Args:
        page: The text. What is not valid Unicode, as file names may hold, becomes "?".
        path: The file to write.
    """
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf8", errors="replace")


class RunManifestError(LlamaNERError):
    """A folder that belongs to another run, or to none."""


@dataclass(frozen=True)
class RunManifest:
    """Manifest that guards a resumable folder: written when a run begins, compared when it is resumed.

    A run may only go on with the inputs and settings that it began with; otherwise its output would be a mixture.

    Attributes:
        path: The manifest, a JSON file in the output folder of the run.
        content: All inputs and settings that decide the outcome, in types that JSON knows.
    """

    path: Path
    content: Mapping[str, Any]

    def begin_or_resume(self) -> None:
        """Write the manifest to a new or empty folder, or compare it with the one that is there.

        Hidden files do not count: a process that was killed may have left them.

        Raises:
            RunManifestError: If the folder holds another run, a damaged manifest, or something else.
            OSError: If the manifest cannot be read or written.
        """
        folder = self.path.parent
        content = srsly.json_loads(srsly.json_dumps(dict(self.content)))
        if self.path.exists():
            self._compare(content)
            return
        if folder.exists() and (folder.is_file() or any(not each.name.startswith(".") for each in folder.iterdir())):
            raise RunManifestError(
                f"The output folder {folder} is not empty, and no run of this command has begun in it. Give a new or "
                "an empty folder."
            )
        with atomic_write(self.path) as partial:
            srsly.write_json(partial, content)

    def _compare(self, content: dict[str, Any]) -> None:
        try:
            begun = srsly.read_json(self.path)
        except ValueError as error:
            raise RunManifestError(
                f"{self.path}, the manifest of the run in this folder, is damaged. Give another folder."
            ) from error
        known = begun if isinstance(begun, dict) else {}
        absent = object()
        other = [key for key in {**content, **known} if known.get(key, absent) != content.get(key, absent)]
        if other:
            raise RunManifestError(
                f"In {self.path.parent}, a run has begun that differs in {', '.join(other)}. Give the same pipeline, "
                "input and options to resume it, or another folder for a new run."
            )
