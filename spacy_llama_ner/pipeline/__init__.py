"""The components `llama_ner`, `llama_ner_generative` and `llama_reader`, and adapters of `llama_ner`."""

from .adapters import add_adapter, export_adapter
from .llama_ner import LlamaNER, make_llama_ner
from .llama_ner_generative import LlamaNERGenerative, make_llama_ner_generative
from .llama_reader import make_llama_reader

__all__ = [
    "LlamaNER",
    "LlamaNERGenerative",
    "add_adapter",
    "export_adapter",
    "make_llama_ner",
    "make_llama_ner_generative",
    "make_llama_reader",
]
