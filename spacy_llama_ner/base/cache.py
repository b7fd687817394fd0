"""The user cache: where it is, folders in it that are built once, and the digests of files.

A folder in the cache is there in full or not at all (`build_once`), also if a process is killed while it builds, or
several processes want the same folder at once. `file_sha256` remembers the digests of large files in the cache.
"""

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
# file in the cache that remembers digests
DIGESTS = "digests.json"
# nanoseconds: a file that changed more recently could change again without a new time stamp
SETTLED_NS = 2_000_000_000


def cache_dir() -> Path:
    """Return the absolute path of this package's user cache, which need not exist yet.

    The environment variable SPACY_LLAMA_NER_CACHE overrides the platform's usual place.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().resolve()
    from platformdirs import user_cache_path

    return user_cache_path("spacy_llama_ner", appauthor=False)


def build_once(target: Path, build: Callable[[Path], Path], *, is_ready: Callable[[Path], bool]) -> Path:
    """Build a folder if it is not ready, and move it into place in one step.

    Only one process builds a folder at a time; the others wait and use its result. What a killed process left is
    deleted by the next one that builds the same folder.

    Args:
        target: Where the folder has to be.
        build: Gets an empty work folder beside `target` and returns the finished folder inside it. Whatever else it
            leaves there is deleted.
        is_ready: Whether a folder can be trusted. One that cannot is replaced.

    Returns:
        `target`.

    Raises:
        BaseModelError: If the cache cannot be written.
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


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print_status(f"Another process is preparing {target}; waiting for it to finish.")
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


def print_status(text: str) -> None:
    """Print a line about work that takes a while. It goes to stderr, since stdout is for a program's output."""
    from wasabi.printer import Printer

    print(Printer(no_print=True).info(text), file=sys.stderr, flush=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    It is remembered in the user cache by resolved path, size and modification time. If that file is missing, damaged
    or not writable, the digest is computed again and nothing else is lost.
    """
    resolved = path.resolve()
    status = resolved.stat()
    key, stamp = str(resolved), [status.st_size, status.st_mtime_ns]
    known = _read_digests().get(key)
    if isinstance(known, list) and known[:2] == stamp and len(known) == 3:
        return str(known[2])
    with resolved.open("rb") as file:
        digest = stream_sha256(file)
    if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
        _remember_digest(key, [*stamp, digest])
    return digest


def stream_sha256(file: Any, copy_to: Any = None) -> str:
    """Return the SHA-256 of the rest of a binary file, in hexadecimal digits.

    Args:
        file: The file, open for reading.
        copy_to: A binary file that gets a copy of what is read. None copies nothing.
    """
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
        if copy_to is not None:
            copy_to.write(block)
    return digest.hexdigest()


def _read_digests() -> dict[str, Any]:
    try:
        digests = json.loads((cache_dir() / DIGESTS).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _remember_digest(key: str, entry: list[Any]) -> None:
    # Two processes that write at once may lose one entry, never the file: each replaces it as a whole.
    digests = {path: known for path, known in _read_digests().items() if Path(path).exists()} | {key: entry}
    with suppress(OSError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=f".{DIGESTS}.", dir=cache_dir())
        try:
            with os.fdopen(handle, "w", encoding="utf8") as file:
                json.dump(digests, file)
            os.replace(partial, cache_dir() / DIGESTS)
        finally:
            Path(partial).unlink(missing_ok=True)
