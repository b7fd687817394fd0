"""What a writer says of answers, and what it answers, beside transformers on the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.generation.configuration_utils import GenerationConfig

from spacy_llama_ner.generative.architectures import GenerativeTagger, get_generator
from spacy_llama_ner.generative.formats import InlineBrackets
from spacy_llama_ner.generative.modules import Generator, Rows
from spacy_llama_ner.shim.torch_shim import trained

BEFORE = (5, 60, 61, 62, 63)
ASKED = [(70, 71, 72), (80, 81, 82, 83, 84, 85), (90,)]
ANSWERS = [(100, 101, 1), (110, 1), (120, 121, 122, 123, 1)]
ROWS = Rows(BEFORE, [asked + answer for asked, answer in zip(ASKED, ANSWERS, strict=True)])


def make_writer(base: Path, **settings: Any) -> Generator:
    model = GenerativeTagger(InlineBrackets(), **{"base": str(base), "dtype": "float32", **settings})
    model.initialize()
    return get_generator(model)


def stir(writer: Generator) -> None:
    """Give the adapter weights that matter."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trained(writer).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)


@pytest.fixture(scope="module")
def reference(chat_llama: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(chat_llama).eval()


def test_log_probabilities_are_those_of_transformers(chat_llama: Path, reference: Any) -> None:
    told = make_writer(chat_llama)(ROWS, ANSWERS)
    expected = []
    for asked, answer in zip(ASKED, ANSWERS, strict=True):
        ids = torch.tensor([BEFORE + asked + answer])
        scores = reference(input_ids=ids).logits[0].log_softmax(-1)
        expected += [scores[-len(answer) - 1 + i, subword] for i, subword in enumerate(answer)]
    torch.testing.assert_close(told, torch.stack(expected), rtol=0, atol=1e-4)


def test_gradients_are_those_of_reading_the_beginning_in_each_row(chat_llama: Path) -> None:
    gradients = []
    for before, rows in ((BEFORE, ROWS.behind), (BEFORE[:1], [BEFORE[1:] + row for row in ROWS.behind])):
        writer = make_writer(chat_llama, lora={"rank": 4})
        stir(writer)
        writer.train()(Rows(before, rows), ANSWERS).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in trained(writer).items()})
    assert max(float(gradient.abs().max()) for gradient in gradients[0].values() if gradient is not None) > 0.01
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_only_what_comes_before_an_answer_counts_for_it(chat_llama: Path) -> None:
    """The mask is causal: what stands farther right changes nothing."""
    writer = make_writer(chat_llama)
    longer = Rows(BEFORE, [(*row, 130, 131) for row in ROWS.behind])
    short = writer(ROWS, ANSWERS)
    long = writer(longer, [(*answer, 130, 131) for answer in ANSWERS])
    own = torch.cat([part[:-2] for part in long.split([len(answer) + 2 for answer in ANSWERS])])
    torch.testing.assert_close(own, short, rtol=0, atol=1e-5)


def test_answers_are_those_of_transformers(chat_llama: Path, reference: Any) -> None:
    writer = make_writer(chat_llama)
    written = writer.write(Rows(BEFORE, ASKED), limits=[12, 12, 7], walks=None)
    for asked, answer, limit in zip(ASKED, written, [12, 12, 7], strict=True):
        ids = torch.tensor([BEFORE + asked])
        settings = GenerationConfig(max_new_tokens=limit, do_sample=False, eos_token_id=1, pad_token_id=1)
        expected = reference.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        expected = expected[0, ids.shape[1] :].tolist()
        assert answer.ids == (expected[:-1] if expected[-1] == 1 else expected)
        assert answer.ended == (expected[-1] == 1)


def test_an_answer_is_the_same_in_any_company(chat_llama: Path) -> None:
    writer = make_writer(chat_llama, lora={"rank": 4})
    stir(writer)
    together = writer.write(Rows(BEFORE, ASKED), limits=[15, 5, 10], walks=None)
    for asked, limit, answer in zip(ASKED, [15, 5, 10], together, strict=True):
        (alone,) = writer.write(Rows(BEFORE, [asked]), limits=[limit], walks=None)
        assert (alone.ids, alone.ended) == (answer.ids, answer.ended)
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-5)


def test_probabilities_are_those_of_reading_the_answer(chat_llama: Path) -> None:
    writer = make_writer(chat_llama)
    for asked, answer in zip(ASKED, writer.write(Rows(BEFORE, ASKED), limits=[6] * 3, walks=None), strict=True):
        told = writer(Rows(BEFORE, [asked + tuple(answer.ids)]), [tuple(answer.ids)])
        assert told.exp().tolist() == pytest.approx(answer.probabilities, abs=1e-5)


def test_merged_weights_write_the_same(chat_llama: Path) -> None:
    plain, merged = make_writer(chat_llama, lora={"rank": 4}), make_writer(chat_llama, lora={"rank": 4}, merge=True)
    stir(plain)
    stir(merged)
    one, other = (each.write(Rows(BEFORE, ASKED), limits=[10] * 3, walks=None) for each in (plain, merged))
    assert [each.ids for each in one] == [each.ids for each in other]
    stir_more = next(iter(trained(merged).values()))
    merged.train()
    with torch.no_grad():
        stir_more.add_(1.0)
    assert [each.ids for each in merged.write(Rows(BEFORE, ASKED), limits=[10] * 3, walks=None)] != [
        each.ids for each in other
    ]
