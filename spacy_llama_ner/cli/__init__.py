"""`python -m spacy llama-ner COMMAND`."""

from . import (
    active_learn,
    adapters,
    annotate,
    apply,
    budget,
    calibrate,
    compare_prompts,
    conll2003,
    convert,
    difference,
    evaluate,
    fetch,
    generate,
    pair,
    push,
    report,
    show,
)
from .app import app

__all__ = [
    "active_learn",
    "adapters",
    "annotate",
    "app",
    "apply",
    "budget",
    "calibrate",
    "compare_prompts",
    "conll2003",
    "convert",
    "difference",
    "evaluate",
    "fetch",
    "generate",
    "pair",
    "push",
    "report",
    "show",
]
