"""`python -m spacy llama-ner COMMAND`."""

from . import annotate, apply, calibrate, conll2003, convert, evaluate, fetch, generate, report, show
from .app import app

__all__ = [
    "annotate",
    "app",
    "apply",
    "calibrate",
    "conll2003",
    "convert",
    "evaluate",
    "fetch",
    "generate",
    "report",
    "show",
]
