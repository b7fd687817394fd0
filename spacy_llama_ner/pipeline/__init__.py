"""The components that `nlp.add_pipe` knows, and callbacks for their training."""

from .callbacks import make_add_labels, make_rehearsal
from .factory import make_llama_ner
from .llama_ner import LlamaNER

__all__ = ["LlamaNER", "make_add_labels", "make_llama_ner", "make_rehearsal"]
