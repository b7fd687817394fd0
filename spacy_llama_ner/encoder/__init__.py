"""A Llama without its causal mask, as a spaCy tok2vec layer, and its warm-up on plain text."""

from .architecture import LlamaEncoder
from .pretraining import PretrainMaskedSubwords

__all__ = ["LlamaEncoder", "PretrainMaskedSubwords"]
