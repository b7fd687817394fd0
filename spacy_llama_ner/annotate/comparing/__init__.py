"""Prompts, examples and models beside each other on a gold sample."""

from .best import Best, find_best
from .measure import measure
from .money import Money
from .page import render_comparison
from .result import Result, Variant, short_names

__all__ = ["Best", "Money", "Result", "Variant", "find_best", "measure", "render_comparison", "short_names"]
