"""Formats in which models write down entities, and what makes sense of replies in them."""

from .base import Note, PromptFormat
from .brackets import Brackets
from .entities import Entities
from .registry import FORMATS
from .words import Words

__all__ = ["FORMATS", "Brackets", "Entities", "Note", "PromptFormat", "Words"]
