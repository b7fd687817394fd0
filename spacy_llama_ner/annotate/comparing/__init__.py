"""Prompts, examples and models beside each other on a gold sample."""

from .best import Best, find_best
from .money import Money
from .page import render_comparison
from .plan import Plan, make_plan
from .result import NONE, Result, Variant, short_names
from .table import HEADER, N_NAMES, TYPE_HEADER, result_rows, show_interval, type_rows

__all__ = [
    "HEADER",
    "NONE",
    "N_NAMES",
    "TYPE_HEADER",
    "Best",
    "Money",
    "Plan",
    "Result",
    "Variant",
    "find_best",
    "make_plan",
    "render_comparison",
    "result_rows",
    "short_names",
    "show_interval",
    "type_rows",
]
