"""The kinds of bases that this package can tune, by the `model_type` of their config."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """Bases that one architecture reads.

    what: what a person would call one.
    architecture: the registered layer that reads it.
    model_types: as config.json names them.
    """

    what: str
    architecture: str
    model_types: tuple[str, ...]


# pre-norm layers in `layers`, each with `self_attn` (q_proj, k_proj, v_proj, o_proj) and `mlp` (gate_proj, up_proj,
# down_proj), rotary positions, a causal mask
DECODER = Kind(
    "a decoder with the Llama layout",
    "spacy_llama_ner.LlamaEncoder.v1",
    ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3"),
)
# every subword sees the whole window; learned absolute positions
ENCODER = Kind(
    "an encoder of the BERT family",
    "spacy_llama_ner.TransformerEncoder.v1",
    ("bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra"),
)
KINDS = (DECODER, ENCODER)

OTHER_ENCODERS = (
    "albert", "deberta", "deberta-v2", "mpnet", "modernbert", "eurobert", "nomic_bert", "longformer", "big_bird",
    "ernie", "funnel", "layoutlm",
)  # fmt: skip
# their class makes a pooler, which nobody here reads and which many of them are published without
WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert")
