"""Pretrained bases as spaCy tok2vec layers: a Llama without its causal mask, a BERT; and a warm-up on plain text."""

from .architecture import LlamaEncoder
from .pretraining import PretrainMaskedSubwords
from .transformer import TransformerEncoder

__all__ = ["LlamaEncoder", "PretrainMaskedSubwords", "TransformerEncoder"]
