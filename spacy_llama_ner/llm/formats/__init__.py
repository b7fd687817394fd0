"""Formats in which models write down entities, and what makes sense of replies in them."""

from .base import Format, Note
from .brackets import Brackets
from .entities import Entities
from .registry import FORMATS
from .words import Words

__all__ = ["FORMATS", "Brackets", "Entities", "Format", "Note", "Words"]
