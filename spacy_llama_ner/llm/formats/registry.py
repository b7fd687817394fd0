"""The formats by their names."""

from __future__ import annotations

from .base import PromptFormat
from .brackets import Brackets
from .entities import Entities
from .words import Words

FORMATS: dict[str, PromptFormat] = {format.name: format for format in (Brackets(), Words(), Entities())}
