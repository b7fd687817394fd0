"""Pretrained bases as spaCy tok2vec layers: a Llama without its causal mask, a BERT."""

from .architecture import LlamaEncoder
from .transformer import TransformerEncoder

__all__ = ["LlamaEncoder", "TransformerEncoder"]
