"""A config.json that says the same to transformers 4 and 5."""

from __future__ import annotations

from typing import Any

# All that says what a decoder with the Llama layout computes. A list of what to keep and not of what to drop,
# since each version of transformers writes further keys.
KEPT = (
    "architectures", "model_type", "torch_dtype", "vocab_size", "tie_word_embeddings", "bos_token_id",
    "eos_token_id", "pad_token_id", "num_hidden_layers", "hidden_size", "intermediate_size", "hidden_act",
    "hidden_activation", "mlp_bias", "rms_norm_eps", "initializer_range", "num_attention_heads",
    "num_key_value_heads", "head_dim", "attention_bias", "attention_dropout", "query_pre_attn_scalar",
    "attn_logit_softcapping", "final_logit_softcapping", "layer_types", "sliding_window",
    "use_sliding_window", "max_window_layers", "sliding_window_pattern", "max_position_embeddings",
    "rope_theta", "rope_scaling", "rope_local_base_freq", "no_rope_layers", "no_rope_layer_interval",
)  # fmt: skip


def portable(config: dict[str, Any]) -> dict[str, Any]:
    """A config as transformers 4 writes it, from any version's full one (`config.to_dict()`), keys sorted.

    Transformers 5 gathers the rotary positions in `rope_parameters`, which version 4 passes over without a
    word; version 5 reads the older keys as well.
    """
    old = {**config, "torch_dtype": config.get("dtype") or config.get("torch_dtype")}
    if rope := config.get("rope_parameters"):
        scaling = dict(rope.get("full_attention", rope))
        old["rope_theta"] = scaling.pop("rope_theta")
        old["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
        if "sliding_attention" in rope:
            old["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    if old.get("rope_scaling") is None:
        old.pop("rope_scaling", None)
    return {key: old[key] for key in sorted(KEPT) if key in old}
