"""The file beside an adapter of peft's that makes it a recogniser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..encoder.adapter import AdapterError

if TYPE_CHECKING:
    from torch import Tensor

HEAD = "llama_ner.safetensors"
# key of the file's metadata; beside it safetensors itself wants none
TOLD = "llama_ner"


@dataclass(frozen=True)
class Head:
    """A component without its encoder.

    config: of the component, as in config.cfg. labels, temperature, state: of its head.
    fingerprint: of the base that it was trained on. lang: the pipeline's language.
    """

    config: dict[str, Any]
    labels: list[str]
    temperature: float
    fingerprint: str
    lang: str
    state: dict[str, Tensor]


def write_head(head: Head, folder: Path) -> None:
    """Write the file to `folder`."""
    from safetensors.torch import save

    told = {name: value for name, value in vars(head).items() if name != "state"}
    # as of the adapter's weights beside it, others are to read it
    (folder / HEAD).write_bytes(save(head.state, {TOLD: json.dumps(told)}))


def read_head(folder: Path) -> Head | None:
    """What `write_head` wrote to `folder`; None where it did not. Raises AdapterError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    path = folder / HEAD
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads(file.metadata()[TOLD])
            return Head(**told, state={name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(f"{path} is damaged ({error!r}). Copy the adapter again.") from error
