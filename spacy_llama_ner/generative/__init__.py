"""A base that generates: it is prompted for the entities of a text, and answers in a format."""

from .architectures import GenerativeTagger
from .formats import BioLines, InlineBrackets

__all__ = ["BioLines", "GenerativeTagger", "InlineBrackets"]
