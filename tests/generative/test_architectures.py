"""`GenerativeTagger.v1`: the bases that it refuses, and what is shared in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.load import load_shared
from spacy_llama_ner.generative.modules import PrefixBatch
from tests.conftest import build_tiny_llama
from tests.generative.samples import make_generator
from tests.llm.bases import build_chat_llama


def add_output(base: Path) -> torch.Tensor:
    """Give a base that was saved without an output layer one."""
    state = load_file(base / "model.safetensors")
    output = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    save_file(
        {**{f"model.{name}": each for name, each in state.items()}, "lm_head.weight": output},
        base / "model.safetensors",
    )
    return output


def test_a_base_without_a_chat_template_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(
        BaseModelError, match=r"has no chat template, so it was not tuned to answer.*name a base tuned"
    ):
        make_generator(tiny_llama)


def test_a_base_without_an_output_layer_is_refused(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path)
    build_tiny_llama(base)
    (base / "chat_template.jinja").write_text("{{ messages[0]['content'] }}", encoding="utf8")
    with pytest.raises(BaseModelError, match="has no output layer"):
        make_generator(base)


def test_an_encoder_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(BaseModelError, match="Expected is a decoder with the Llama layout"):
        make_generator(tiny_bert)


def test_an_output_layer_of_its_own_is_read_once_for_all(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path)
    build_tiny_llama(base)
    (base / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message['content'] }};{% endfor %}", encoding="utf8"
    )
    output = add_output(base)
    one, other = make_generator(base), make_generator(base)
    assert one.shared.output is other.shared.output
    assert torch.equal(one.shared.output, output)


def test_a_tied_output_layer_costs_nothing(chat_llama: Path) -> None:
    generator = make_generator(chat_llama)
    assert generator.shared.output is generator.shared.base.get_input_embeddings().weight


def test_generators_and_encoders_share_one_base(chat_llama: Path) -> None:
    generator, other = make_generator(chat_llama), make_generator(chat_llama, lora=None)
    assert generator.shared.base is other.shared.base
    spec = generator.spec()
    shared = load_shared(Path(spec["path"]), spec["fingerprint"], dtype=torch.float32, device=torch.device("cpu"))
    assert shared is generator.shared.base
    addresses = {parameter.data_ptr() for parameter in shared.parameters()}
    assert {parameter.data_ptr() for parameter in other.parameters()} == addresses


def test_without_an_adapter_nothing_is_trained(chat_llama: Path) -> None:
    assert not any(parameter.requires_grad for parameter in make_generator(chat_llama, lora=None).parameters())
    frozen = make_generator(chat_llama, lora=None).generate(PrefixBatch((5, 6), [(7,)]), max_lengths=[4], paths=None)
    fresh = make_generator(chat_llama).generate(PrefixBatch((5, 6), [(7,)]), max_lengths=[4], paths=None)
    assert frozen[0].ids == fresh[0].ids
