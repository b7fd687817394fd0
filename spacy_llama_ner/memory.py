"""Memory of models that run on a CPU."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable

# malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def _glibc(function: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), function, None) if sys.platform.startswith("linux") else None


def give_back_freed_memory() -> None:
    """Have glibc return all that is free now: loading a pipeline frees several times what it keeps.

    Does nothing under another libc.
    """
    if trim := _glibc("malloc_trim"):
        trim(0)


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc reuse the memory that a batch frees, up to 2 GB, where it would return it to the system.

    Every batch asks for the same blocks of some megabytes again, and each time the system hands over fresh pages,
    one fault per 4 kB: without this, prediction was a fifth to a quarter slower. Does nothing under another libc,
    or where MALLOC_ variables in the environment say how memory is to be handled (see mallopt(3)).
    """
    if any(name.startswith("MALLOC_") for name in os.environ):
        return
    if mallopt := _glibc("mallopt"):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
