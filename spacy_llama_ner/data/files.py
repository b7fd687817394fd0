"""Reading text that others wrote, and writing files that are there in full or not at all."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly

from .errors import LlamaNERError


def read_utf8(path: Path) -> str:
    """The text of `path` without a byte order mark, every kind of line end made a line feed.

    Raises: ValueError when it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}). Convert it, with iconv for example.") from error


def finite(value: Any) -> Any:
    """`value` with None for infinity and NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` when the block ends well.

    When the block raises, `path` is as it was before. Missing folders are made. The name starts with a dot,
    so that spaCy's readers pass over what a killed process left.
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


def write_page(page: str, path: Path) -> None:
    """Write HTML or SVG, whole or not at all; what is no Unicode, as names of files may hold, becomes "?"."""
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf8", errors="replace")


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """The same for a folder, which replaces the one at `path` with all that is in it.

    A process killed in the moment between the two renames leaves the old folder beside `path`, under a hidden name.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, replaced = (path.with_name(f".{path.name}.{os.getpid()}.{end}") for end in ("partial", "replaced"))
    # a process that was killed may have had the same number
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


class RunManifestError(LlamaNERError):
    """A folder that belongs to another job, or to none."""


def begin(folder: Path, facts: Mapping[str, Any], *, record: str) -> None:
    """Begin the job that is given by `facts` in a new folder, or take it up again.

    facts: all that decides the outcome, as JSON. record: name of the file that keeps it.

    Raises: RunManifestError where another job has begun there, or something else lies in it; OSError.
    """
    path = folder / record
    given = srsly.json_loads(srsly.json_dumps(dict(facts)))
    if path.exists():
        try:
            begun = srsly.read_json(path)
        except ValueError as error:
            raise RunManifestError(
                f"{path}, which says what job has begun there, is damaged. Give another folder."
            ) from error
        known = begun if isinstance(begun, dict) else {}
        nothing = object()
        other = [key for key in {**given, **known} if known.get(key, nothing) != given.get(key, nothing)]
        if other:
            raise RunManifestError(
                f"In {folder}, a job has begun that differs in {', '.join(other)}. Give the same pipeline, input and "
                "options to take it up again, or another folder to start anew."
            )
        return
    if folder.exists() and (folder.is_file() or any(not each.name.startswith(".") for each in folder.iterdir())):
        raise RunManifestError(
            f"The output folder {folder} is not empty, and no job of this command has begun in it."
        )
    with atomic_write(path) as partial:
        srsly.write_json(partial, given)
