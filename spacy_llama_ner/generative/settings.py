"""Settings of `GenerativeTagger.v1`, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ..base import DECODER
from ..base.quantize import Quantization
from ..encoder.settings import BaseSettings, check_choice
from .formats import AnswerFormat


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings(BaseSettings):
    """The arguments of `GenerativeTagger`; see there.

    Raises:
        ValueError: If a setting makes no sense, or settings contradict each other.
    """

    kind = DECODER
    key = "components.NAME.model.base"

    format: AnswerFormat
    system: str | None
    constrained: bool
    window: int
    merge: bool
    quantization: Quantization | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(hasattr(self.format, name) for name in ("instruction", "start", "steps", "write", "read")):
            raise ValueError(
                f"format = {self.format!r} is no format of answers. Give a block with @misc = "
                '"spacy_llama_ner.InlineBrackets.v1" or "spacy_llama_ner.BioLines.v1".'
            )
        if self.window < 1:
            raise ValueError(f"window = {self.window}; expected how many words are prompted together, 1 or more.")
        if self.quantization is not None:
            check_choice("quantization", self.quantization, get_args(Quantization))
            if self.merge:
                raise ValueError(
                    f"quantization = {self.quantization!r} leaves no weights to merge with: set merge = false, or "
                    "quantization = null."
                )
