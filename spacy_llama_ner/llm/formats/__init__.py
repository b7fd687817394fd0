"""Formats of prompts: how a text is shown to a model, and how its reply names the entities."""

from .base import OnRepair, PromptFormat
from .brackets import BracketsFormat
from .entities import EntitiesFormat
from .registry import PROMPT_FORMATS
from .words import WordsFormat

__all__ = ["PROMPT_FORMATS", "BracketsFormat", "EntitiesFormat", "OnRepair", "PromptFormat", "WordsFormat"]
