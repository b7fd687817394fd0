"""What a config can say, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spacy_llama_ner.base import BaseModelError
from spacy_llama_ner.base.load import load_shared
from spacy_llama_ner.generative.architectures import GenerativeTagger, get_generator
from spacy_llama_ner.generative.formats import InlineBrackets
from spacy_llama_ner.generative.modules import Generator, Rows
from spacy_llama_ner.head import TaggingLoss
from tests.conftest import build_tiny_llama
from tests.generative.samples import make_nlp
from tests.llm.bases import build_chat_llama


def make_writer(base: Path, **settings: Any) -> Generator:
    model = GenerativeTagger(InlineBrackets(), base=str(base), dtype="float32", **settings)
    model.initialize()
    return get_generator(model)


def add_output(base: Path) -> torch.Tensor:
    """Give a base that was saved without an output layer one."""
    state = load_file(base / "model.safetensors")
    output = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    save_file(
        {**{f"model.{name}": each for name, each in state.items()}, "lm_head.weight": output},
        base / "model.safetensors",
    )
    return output


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"window": 0}, "window = 0; expected how many words"),
        ({"dtype": "float16"}, "dtype = 'float16' is not known"),
        ({"lora": {"rang": 4}}, "lora has unknown settings"),
        ({"quantization": "torchao-int8", "merge": True}, "leaves no weights to merge with"),
        ({"quantization": "int3"}, "quantization = 'int3' is not known"),
    ],
)
def test_settings_that_make_no_sense_are_refused(chat_llama: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make_nlp(chat_llama, **settings)


def test_another_function_is_no_format() -> None:
    with pytest.raises(ValueError, match="is no format of answers"):
        GenerativeTagger(TaggingLoss())  # type: ignore[arg-type]


def test_a_base_without_a_chat_template_is_refused(tiny_llama: Path) -> None:
    with pytest.raises(
        BaseModelError, match=r"has no chat template, so it was not tuned to answer.*name a base tuned"
    ):
        make_writer(tiny_llama)


def test_a_base_without_an_output_layer_is_refused(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path)
    build_tiny_llama(base)
    (base / "chat_template.jinja").write_text("{{ messages[0]['content'] }}", encoding="utf8")
    with pytest.raises(BaseModelError, match="has no output layer"):
        make_writer(base)


def test_an_encoder_is_refused(tiny_bert: Path) -> None:
    with pytest.raises(BaseModelError, match="Expected is a decoder with the Llama layout"):
        make_writer(tiny_bert)


def test_an_output_layer_of_its_own_is_read_once_for_all(tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path)
    build_tiny_llama(base)
    (base / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message['content'] }};{% endfor %}", encoding="utf8"
    )
    output = add_output(base)
    one, other = make_writer(base), make_writer(base)
    assert one.desk.output is other.desk.output
    assert torch.equal(one.desk.output, output)


def test_a_tied_output_layer_costs_nothing(chat_llama: Path) -> None:
    writer = make_writer(chat_llama)
    assert writer.desk.output is writer.desk.base.get_input_embeddings().weight


def test_writers_and_encoders_share_one_base(chat_llama: Path) -> None:
    writer, other = make_writer(chat_llama), make_writer(chat_llama, lora=None)
    assert writer.desk.base is other.desk.base
    spec = writer.spec()
    shared = load_shared(Path(spec["path"]), spec["fingerprint"], dtype=torch.float32, device=torch.device("cpu"))
    assert shared is writer.desk.base
    addresses = {parameter.data_ptr() for parameter in shared.parameters()}
    assert {parameter.data_ptr() for parameter in other.parameters()} == addresses


def test_without_an_adapter_nothing_is_trained(chat_llama: Path) -> None:
    assert not any(parameter.requires_grad for parameter in make_writer(chat_llama, lora=None).parameters())
    written = make_writer(chat_llama, lora=None).write(Rows((5, 6), [(7,)]), limits=[4], walks=None)
    fresh = make_writer(chat_llama).write(Rows((5, 6), [(7,)]), limits=[4], walks=None)
    assert written[0].ids == fresh[0].ids
