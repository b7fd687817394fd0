"""The user cache, and folders in it that are there in full or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import BaseModelError

CACHE_VARIABLE = "SPACY_LLAMA_NER_CACHE"


def cache_dir() -> Path:
    """Absolute path of this package's user cache, which need not exist yet.

    The environment variable SPACY_LLAMA_NER_CACHE overrides the platform's usual place.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("spacy_llama_ner", appauthor=False)


def publish(target: Path, build: Callable[[Path], Path], *, is_ready: Callable[[Path], bool]) -> Path:
    """`target`, built if it is not ready, and moved into place in one step.

    build: gets an empty work folder beside `target`, returns the finished folder inside it. Whatever
        else it leaves there is deleted.
    is_ready: whether a folder can be trusted. One that cannot is replaced.

    Only one process builds a target at a time; the others wait and use its result. What a killed process left
    is deleted by the next that builds the same target. Raises BaseModelError if the cache cannot be written.
    """
    if is_ready(target):
        return target
    with _locked(target):
        if is_ready(target):
            return target
        # whoever holds the lock is the only builder, so every other work folder is a dead process's
        for stale in target.parent.glob(f".{target.name}.*"):
            shutil.rmtree(stale, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            finished = build(work)
            if target.exists():
                os.replace(target, work / "replaced")
            os.replace(finished, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def say(text: str) -> None:
    """Print a line for the person who waits. On stderr: stdout belongs to the program itself."""
    from wasabi.printer import Printer

    print(Printer(no_print=True).info(text), file=sys.stderr, flush=True)


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"Another process is preparing {target}; waiting for it to finish.")
            lock.acquire()
    except OSError as error:
        raise BaseModelError(
            f"The cache folder {target.parent} cannot be written ({error}). Make it writable, or name "
            f"another one in the environment variable {CACHE_VARIABLE}."
        ) from error
    try:
        yield
    finally:
        lock.release()


MEMO = "digests.json"
# a file that changed this recently could change again without its time stamp moving
SETTLED_NS = 2_000_000_000


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content.

    Remembered in the user cache by resolved path, size and modification time. A memo that is missing, damaged
    or not writable costs time and nothing else.
    """
    resolved = path.resolve()
    status = resolved.stat()
    key, stamp = str(resolved), [status.st_size, status.st_mtime_ns]
    known = _read_memo().get(key)
    if isinstance(known, list) and known[:2] == stamp and len(known) == 3:
        return str(known[2])
    with resolved.open("rb") as file:
        digest = stream_sha256(file)
    if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
        _remember(key, [*stamp, digest])
    return digest


def stream_sha256(file: Any, copy_to: Any = None) -> str:
    """Hex SHA-256 of the rest of the binary `file`, written to the binary file `copy_to` on the way."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
        if copy_to is not None:
            copy_to.write(block)
    return digest.hexdigest()


def _read_memo() -> dict[str, Any]:
    try:
        memo = json.loads((cache_dir() / MEMO).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _remember(key: str, entry: list[Any]) -> None:
    # Two processes that write at once may lose one entry, never the file: each replaces it as a whole.
    memo = {path: known for path, known in _read_memo().items() if Path(path).exists()} | {key: entry}
    with suppress(OSError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{MEMO}.", dir=cache_dir())
        try:
            with os.fdopen(handle, "w", encoding="utf8") as file:
                json.dump(memo, file)
            os.replace(partial, cache_dir() / MEMO)
        finally:
            Path(partial).unlink(missing_ok=True)
