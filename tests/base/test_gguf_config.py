from __future__ import annotations

from spacy_llama_ner.base.gguf_config import portable


def test_both_spellings_become_one() -> None:
    old = {"model_type": "llama", "rope_theta": 5e5, "rope_scaling": None, "torch_dtype": "bfloat16"}
    new = {
        "dtype": "bfloat16",
        "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"},
        "model_type": "llama",
    }
    assert portable(old) == portable(new) == {"model_type": "llama", "rope_theta": 5e5, "torch_dtype": "bfloat16"}
    assert list(portable(new)) == sorted(portable(new))


def test_scaled_positions_are_kept() -> None:
    scaling = {"rope_type": "linear", "factor": 2.0}
    new = portable({"rope_parameters": {"rope_theta": 1e4, **scaling}, "dtype": "bfloat16"})
    assert new == portable({"rope_theta": 1e4, "rope_scaling": scaling, "torch_dtype": "bfloat16"})
    assert new["rope_scaling"] == scaling


def test_two_kinds_of_attention_layers() -> None:
    rope = {
        "full_attention": {"rope_type": "default", "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = portable({"rope_parameters": rope, "dtype": "bfloat16"})
    assert config == {"rope_theta": 1e6, "rope_local_base_freq": 1e4, "torch_dtype": "bfloat16"}


def test_who_wrote_it_is_dropped() -> None:
    assert portable(
        {"transformers_version": "5.0", "_name_or_path": "x", "use_cache": True, "dtype": "bfloat16"}
    ) == {"torch_dtype": "bfloat16"}
