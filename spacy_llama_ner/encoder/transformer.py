"""`spacy_llama_ner.TransformerEncoder.v1`: a BERT or one of its like as an ordinary tok2vec layer."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .architecture import DEFAULT_LORA, make_layer
from .batching import Pooling
from .lora import LoRA
from .settings import DType, EncoderSettings


def TransformerEncoder(
    base: str,
    revision: str | None = None,
    lora: dict[str, Any] | None = DEFAULT_LORA,
    unfreeze_layers: int = 0,
    pooling: Pooling = "first",
    window: int = 400,
    stride: int = 300,
    dtype: DType = "auto",
    save_base: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """An encoder-only model that gives each word a vector.

    BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT and ELECTRA see both sides of a word from the start.

    base: Hub id ("distilbert/distilbert-base-cased") or folder; it needs tokenizer.json and safetensors.
    revision, lora, unfreeze_layers, pooling, window, stride, dtype, save_base: as for `LlamaEncoder.v1`. `window`
        counts the special subwords around it too.

    Where `spacy-transformers` saves a whole model and loses adapters, this layer saves what is trained, and finds
    the base again. In training, the base's own dropout is on. Gives fp32 vectors [n_words, hidden] for each doc; a
    word without a subword gets zeros. Nothing is loaded before `initialize` or `from_bytes`. Raises ValueError on
    settings that make no sense.
    """
    settings = EncoderSettings(
        base=base,
        revision=revision,
        lora=None if lora is None else LoRA.from_dict(lora),
        unfreeze_layers=unfreeze_layers,
        pooling=pooling,
        window=window,
        stride=stride,
        dtype=dtype,
        save_base=save_base,
    )
    return make_layer("transformer_encoder", settings)
