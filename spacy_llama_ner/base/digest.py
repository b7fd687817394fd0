"""SHA-256 of files, remembered, so that gigabytes of weights are read once and not at every start."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .cache import cache_dir

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
