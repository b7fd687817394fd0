"""The components that `nlp.add_pipe` knows, and callbacks for their training."""

from .adapters import add_adapter, export_adapter
from .callbacks import make_add_labels, make_rehearsal
from .factory import make_llama_ner
from .generative_factory import make_llama_ner_generative
from .llama_ner import LlamaNER
from .llama_ner_generative import LlamaNERGenerative
from .reader import make_llama_reader

__all__ = [
    "LlamaNER",
    "LlamaNERGenerative",
    "add_adapter",
    "export_adapter",
    "make_add_labels",
    "make_llama_ner",
    "make_llama_ner_generative",
    "make_llama_reader",
    "make_rehearsal",
]
