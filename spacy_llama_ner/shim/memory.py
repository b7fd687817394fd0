"""Memory of models that run on a CPU: what glibc keeps between batches, and when it is returned to the system."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path
from typing import Any

# Bytes by which the process may grow before memory is returned: with fresh pages, batches take a few percent longer.
ALLOWED_GROWTH = 2**29
# mallopt's names for its settings, from malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def resident_bytes() -> int:
    """Return how many bytes of this process are in memory. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


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


class FreedMemory:
    """Returns freed memory to the system once the process has grown.

    Loading a pipeline frees several times what it keeps; and blocks of all sizes, freed among docs that live on,
    leave holes that the next batch does not fit in.
    """

    def __init__(self) -> None:
        self._resident_after_last = 0

    def give_back(self, *, after_growth: int = 0) -> None:
        """Return what is free now, if the process has grown enough. Does nothing under another libc.

        Args:
            after_growth: Bytes by which the process must have grown since memory was last returned.
        """
        trim = _glibc("malloc_trim")
        if trim is not None and resident_bytes() - self._resident_after_last > after_growth:
            trim(0)
            self._resident_after_last = resident_bytes()


give_back_freed_memory = FreedMemory().give_back


def _glibc(function: str) -> Any:
    return getattr(ctypes.CDLL(None), function, None) if sys.platform.startswith("linux") else None
