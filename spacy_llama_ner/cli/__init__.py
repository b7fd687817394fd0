"""`python -m spacy llama-ner COMMAND`."""

from . import conll2003, convert, evaluate, fetch, show
from .app import app

__all__ = ["app", "conll2003", "convert", "evaluate", "fetch", "show"]
