"""Errors of loading that say which component, from where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def told_where(name: str, source: str | Path) -> Iterator[None]:
    """Raise what goes wrong in the block as OSError or ValueError that names the component and the source."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        kind = OSError if isinstance(error, OSError) else ValueError
        told = str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
        raise kind(
            f"[{name}] cannot be loaded from {source}: {told} "
            "If its files are incomplete, damaged or from two pipelines, copy the whole folder again."
        ) from error
