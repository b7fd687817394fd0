"""The components that `nlp.add_pipe` knows, and callbacks for their training."""

from .adapters import add_adapter, export_adapter
from .callbacks import make_add_labels, make_rehearsal
from .factory import make_llama_ner
from .llama_ner import LlamaNER
from .reader import make_llama_reader

__all__ = [
    "LlamaNER",
    "add_adapter",
    "export_adapter",
    "make_add_labels",
    "make_llama_ner",
    "make_llama_reader",
    "make_rehearsal",
]
