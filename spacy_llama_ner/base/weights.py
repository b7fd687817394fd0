"""The safetensors files of a base: which they are, and whether they are whole."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from .errors import BaseModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# the safetensors format's own limit for the header
MAX_HEADER = 100_000_000


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of the base in `folder`: model.safetensors, or the shards of its index by name.

    Raises BaseModelError if there are none, or one that the index names is not there.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise BaseModelError(_no_weights(folder))
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf8"))
        names = {str(name) for name in index["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseModelError(
            f"{folder / INDEX} is damaged ({error!r}). Expected is the JSON index that safetensors shards "
            "come with; fetch or copy the base again."
        ) from error
    missing = sorted(name for name in names if Path(name).name != name or not (folder / name).is_file())
    if missing or not names:
        raise BaseModelError(
            f"{folder} lacks weights that {INDEX} names: {', '.join(missing) or 'it names none'}. Fetch or "
            "copy the base again."
        )
    return [folder / name for name in sorted(names)]


def check_whole(file: Path) -> None:
    """Raise BaseModelError if a safetensors file is shorter or longer than its header says."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header: dict[str, Any] = json.loads(stream.read(length)) if length <= MAX_HEADER else {}
        ends = [tensor["data_offsets"][1] for key, tensor in header.items() if key != "__metadata__"]
        expected = 8 + length + max(ends, default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        expected = -1
    if size != expected:
        said = f"its header speaks of {expected:,}" if expected >= 0 else "its header cannot be read"
        raise BaseModelError(
            f"{file} is damaged: it has {size:,} bytes, and {said}. Delete it, then fetch or copy the base again."
        )


def _no_weights(folder: Path) -> str:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return (
            f"{folder} holds its weights only as a pickle ({', '.join(pickles[:3])}), which can run any code "
            "when it is read and is never loaded. Expected is model.safetensors: choose a revision that has "
            "it, or convert the base with transformers (`model.save_pretrained(FOLDER, "
            "safe_serialization=True)`)."
        )
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    found = f" (found: {', '.join(others[:3])})" if others else ""
    return (
        f"{folder} holds no weights{found}. Expected is {SINGLE}, or {INDEX} with the shards it names; copy "
        "the base again, or name another one."
    )
