"""The components that `nlp.add_pipe` knows."""

from .llama_ner import LlamaNER

__all__ = ["LlamaNER"]
