"""`python -m spacy llama-ner COMMAND`."""

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
