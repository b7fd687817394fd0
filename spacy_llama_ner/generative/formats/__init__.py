"""Formats of answers: what may be written about a text, and what it means."""

from .base import Format, Found, Node
from .bio import BioLines
from .brackets import InlineBrackets

__all__ = ["BioLines", "Format", "Found", "InlineBrackets", "Node"]
