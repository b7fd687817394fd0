"""A base that answers: entities by generation, in the format that it was asked for."""

from .architectures import GenerativeTagger
from .formats import BioLines, InlineBrackets

__all__ = ["BioLines", "GenerativeTagger", "InlineBrackets"]
