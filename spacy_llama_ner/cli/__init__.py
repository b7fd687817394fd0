"""`python -m spacy llama-ner COMMAND`."""

from . import (
    annotate,
    apply,
    calibrate,
    compare_prompts,
    conll2003,
    convert,
    difference,
    evaluate,
    fetch,
    generate,
    pair,
    report,
    show,
)
from .app import app

__all__ = [
    "annotate",
    "app",
    "apply",
    "calibrate",
    "compare_prompts",
    "conll2003",
    "convert",
    "difference",
    "evaluate",
    "fetch",
    "generate",
    "pair",
    "report",
    "show",
]
