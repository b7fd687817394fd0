"""The formats by their names, as the `format` blocks of prompts give them."""

from __future__ import annotations

from .base import PromptFormat
from .brackets import BracketsFormat
from .entities import EntitiesFormat
from .words import WordsFormat

PROMPT_FORMATS: dict[str, PromptFormat] = {
    format.name: format for format in (BracketsFormat(), WordsFormat(), EntitiesFormat())
}
