"""Pretrained bases as spaCy tok2vec layers: a Llama without its causal mask, a BERT; and a warm-up on plain text."""

from .architectures import LlamaEncoder, TransformerEncoder
from .pretraining import PretrainMaskedSubwords

__all__ = ["LlamaEncoder", "PretrainMaskedSubwords", "TransformerEncoder"]
