"""The commands of `python -m spacy llama-ner`: the group in `app`, and one module for each group of commands."""

from . import active, apply, compare_prompts, convert, encode, evaluate, experts, hub, llm, report
from .app import app

__all__ = [
    "active",
    "app",
    "apply",
    "compare_prompts",
    "convert",
    "encode",
    "evaluate",
    "experts",
    "hub",
    "llm",
    "report",
]
