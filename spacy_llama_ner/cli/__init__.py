"""`python -m spacy llama-ner COMMAND`."""

from . import apply, calibrate, conll2003, convert, difference, evaluate, fetch, pair, report, show
from .app import app

__all__ = [
    "app",
    "apply",
    "calibrate",
    "conll2003",
    "convert",
    "difference",
    "evaluate",
    "fetch",
    "pair",
    "report",
    "show",
]
