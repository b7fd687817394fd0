"""The user cache, and folders in it that are there in full or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
