"""`python -m spacy llama-ner COMMAND`."""

from . import apply, calibrate, conll2003, convert, evaluate, fetch, report, show
from .app import app

__all__ = ["app", "apply", "calibrate", "conll2003", "convert", "evaluate", "fetch", "report", "show"]
