"""The components that `nlp.add_pipe` knows."""

from .factory import make_llama_ner
from .llama_ner import LlamaNER

__all__ = ["LlamaNER", "make_llama_ner"]
