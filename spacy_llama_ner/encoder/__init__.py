"""A Llama without its causal mask, as a spaCy tok2vec layer."""

from .architecture import LlamaEncoder

__all__ = ["LlamaEncoder"]
