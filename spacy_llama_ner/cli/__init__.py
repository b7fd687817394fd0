"""`python -m spacy llama-ner COMMAND`."""

from . import adapters, apply, calibrate, conll2003, convert, evaluate, fetch, push, report, show
from .app import app

__all__ = [
    "adapters",
    "app",
    "apply",
    "calibrate",
    "conll2003",
    "convert",
    "evaluate",
    "fetch",
    "push",
    "report",
    "show",
]
