"""`python -m spacy llama-ner COMMAND`."""

from . import (
    adapters,
    annotate,
    apply,
    calibrate,
    compare_prompts,
    conll2003,
    convert,
    difference,
    evaluate,
    export,
    fetch,
    generate,
    import_,
    pair,
    push,
    report,
    show,
)
from .app import app

__all__ = [
    "adapters",
    "annotate",
    "app",
    "apply",
    "calibrate",
    "compare_prompts",
    "conll2003",
    "convert",
    "difference",
    "evaluate",
    "export",
    "fetch",
    "generate",
    "import_",
    "pair",
    "push",
    "report",
    "show",
]
