"""A decoder whose adapter is merged into its weights, made when it is first needed."""

from __future__ import annotations

from typing import Any

from ..base.load import Decoder
from .lora import merged_copy


class Merged:
    """Holds on to a merged decoder that is not a submodule, and that a copy of its holder makes anew."""

    def __init__(self) -> None:
        self._llama: Decoder | None = None

    def of(self, llama: Decoder) -> Decoder:
        """The merged copy of `llama`."""
        if self._llama is None:
            self._llama = merged_copy(llama)
        return self._llama

    def drop(self) -> None:
        """Forget it, since the adapter is about to change."""
        self._llama = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Merged:
        return Merged()
