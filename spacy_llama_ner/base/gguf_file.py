"""What a GGUF file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BaseModelError

if TYPE_CHECKING:
    from gguf import GGUFReader

# `general.architecture` of GGUF files whose decoders have the Llama layout
ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "smollm3")


def open_gguf(path: Path) -> GGUFReader:
    """Open a GGUF file of a decoder with the Llama layout.

    Raises BaseModelError if it is damaged or holds something else, ImportError if the package `gguf` is not
    there.
    """
    require_gguf()
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, OverflowError) as error:
        raise BaseModelError(f"{path} is not a whole GGUF file ({error}). Copy or download it again.") from error
    architecture = field(reader, "general.architecture")
    if architecture not in ARCHITECTURES:
        raise BaseModelError(
            f"{path} holds a model of the architecture {architecture!r}. Expected is a decoder with the "
            f"Llama layout: {', '.join(ARCHITECTURES)}."
        )
    if (field(reader, "split.count") or 1) > 1:
        raise BaseModelError(
            f"{path} is one part of {field(reader, 'split.count')}. Join the parts first, with "
            "`llama-gguf-split --merge`."
        )
    return reader


def require_gguf() -> None:
    """Raise ImportError if the package `gguf` is not there."""
    try:
        import gguf  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Converting a GGUF file needs the package gguf: `pip install gguf`, or with all that the "
            'workflows need `pip install "spacy_llama_ner[project]"`.'
        ) from error


def field(reader: GGUFReader, name: str) -> Any:
    """The value of a metadata field as plain Python, null if the file has none."""
    found = reader.get_field(name)
    return None if found is None else found.contents()
