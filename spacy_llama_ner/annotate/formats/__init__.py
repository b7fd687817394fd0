"""Formats in which models write down entities, and what makes sense of replies in them."""

from .base import Format, Note
from .brackets import Brackets
from .entities import Entities
from .words import Words

FORMATS: dict[str, Format] = {format.name: format for format in (Brackets(), Words(), Entities())}

__all__ = ["FORMATS", "Brackets", "Entities", "Format", "Note", "Words"]
