from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.convert import convert
from spacy_llama_ner.base.gguf_file import open_gguf
from spacy_llama_ner.base.gguf_rope import llama3_scaling

from .samples import write_gguf

THETA = 50_000.0
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def frequencies(**settings: object) -> list[float]:
    """What transformers itself computes for the sample's four pairs."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        hidden_size=32,
        num_attention_heads=4,
        head_dim=8,
        rope_theta=THETA,
        max_position_embeddings=131072,
        **settings,
    )
    return LlamaRotaryEmbedding(config).inv_freq.tolist()


@pytest.fixture
def stretched(tmp_path: Path) -> Path:
    """A GGUF file with the factors that llama.cpp writes for Llama 3.2."""
    pairs = zip(frequencies(), frequencies(rope_scaling=dict(LLAMA3)), strict=True)
    return write_gguf(tmp_path / "tiny.gguf", rope_factors=[plain / slow for plain, slow in pairs])


def test_factors_become_transformers_setting(stretched: Path) -> None:
    assert llama3_scaling(open_gguf(stretched), theta=THETA) == LLAMA3


def test_converted_model_turns_at_the_stretched_frequencies(stretched: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(convert(stretched, tmp_path / "base", source={}))
    assert model.rotary_emb.inv_freq.tolist() == pytest.approx(frequencies(rope_scaling=dict(LLAMA3)))
    assert model.rotary_emb.inv_freq.tolist() != pytest.approx(frequencies())


def test_file_without_factors_is_not_stretched(gguf: Path) -> None:
    assert llama3_scaling(open_gguf(gguf), theta=THETA) is None


def test_other_factors_are_refused(tmp_path: Path) -> None:
    gguf = write_gguf(tmp_path / "tiny.gguf", rope_factors=[1.0, 3.0, 2.0, 8.0])
    with pytest.raises(BaseModelError, match="does not follow Llama 3's formula"):
        convert(gguf, tmp_path / "base", source={})
