"""Memory of models that run on a CPU."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path
from typing import Any

# Holes of so many bytes are left for the next batches, which would pay a few percent of their time for fresh pages.
HOLES = 2**29
# malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def _glibc(function: str) -> Any:
    return getattr(ctypes.CDLL(None), function, None) if sys.platform.startswith("linux") else None


def resident() -> int:
    """Bytes of this process in memory, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Trimmer:
    """Has glibc return freed memory, and knows how much was left the last time."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self, *, after_growth: int = 0) -> None:
        """Return what is free now, if the process has grown by more than so many bytes since the last time.

        Loading a pipeline frees several times what it keeps; and blocks of all sizes, freed among docs that live on,
        leave holes that the next batch does not fit in. Does nothing under another libc.
        """
        trim = _glibc("malloc_trim")
        if trim is not None and resident() - self.left > after_growth:
            trim(0)
            self.left = resident()


give_back_freed_memory = _Trimmer()


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
