"""The generator beside transformers on the same weights: log-probabilities of answers, and generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.generation.configuration_utils import GenerationConfig

from spacy_llama_ner.generative.modules import Generator, PrefixBatch
from spacy_llama_ner.shim.torch_shim import trainable_parameters
from tests.generative.samples import make_generator

PREFIX = (5, 60, 61, 62, 63)
PROMPTS = [(70, 71, 72), (80, 81, 82, 83, 84, 85), (90,)]
ANSWERS = [(100, 101, 1), (110, 1), (120, 121, 122, 123, 1)]
BATCH = PrefixBatch(PREFIX, [prompt + answer for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)])


def randomize_adapter(generator: Generator) -> None:
    """Give the adapter weights that matter."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainable_parameters(generator).values():
            parameter.copy_(torch.randn(parameter.shape, generator=random) / 10)


@pytest.fixture(scope="module")
def reference(chat_llama: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(chat_llama).eval()


def test_log_probabilities_are_those_of_transformers(chat_llama: Path, reference: Any) -> None:
    log_probs = make_generator(chat_llama)(BATCH, ANSWERS)
    expected = []
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        ids = torch.tensor([PREFIX + prompt + answer])
        scores = reference(input_ids=ids).logits[0].log_softmax(-1)
        expected += [scores[-len(answer) - 1 + i, subword] for i, subword in enumerate(answer)]
    torch.testing.assert_close(log_probs, torch.stack(expected), rtol=0, atol=1e-4)


def test_gradients_are_those_of_the_prefix_in_each_row(chat_llama: Path) -> None:
    gradients = []
    for prefix, suffixes in ((PREFIX, BATCH.suffixes), (PREFIX[:1], [PREFIX[1:] + row for row in BATCH.suffixes])):
        generator = make_generator(chat_llama, lora={"rank": 4})
        randomize_adapter(generator)
        generator.train()(PrefixBatch(prefix, suffixes), ANSWERS).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in trainable_parameters(generator).items()})
    assert max(float(gradient.abs().max()) for gradient in gradients[0].values() if gradient is not None) > 0.01
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_the_mask_is_causal(chat_llama: Path) -> None:
    """The mask is causal: what stands farther right changes nothing."""
    generator = make_generator(chat_llama)
    longer = PrefixBatch(PREFIX, [(*row, 130, 131) for row in BATCH.suffixes])
    short = generator(BATCH, ANSWERS)
    long = generator(longer, [(*answer, 130, 131) for answer in ANSWERS])
    own = torch.cat([part[:-2] for part in long.split([len(answer) + 2 for answer in ANSWERS])])
    torch.testing.assert_close(own, short, rtol=0, atol=1e-5)


def test_generation_is_that_of_transformers(chat_llama: Path, reference: Any) -> None:
    generator = make_generator(chat_llama)
    answers = generator.generate(PrefixBatch(PREFIX, PROMPTS), max_lengths=[12, 12, 7], paths=None)
    for prompt, answer, limit in zip(PROMPTS, answers, [12, 12, 7], strict=True):
        ids = torch.tensor([PREFIX + prompt])
        settings = GenerationConfig(max_new_tokens=limit, do_sample=False, eos_token_id=1, pad_token_id=1)
        expected = reference.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        expected = expected[0, ids.shape[1] :].tolist()
        assert answer.ids == (expected[:-1] if expected[-1] == 1 else expected)
        assert answer.complete == (expected[-1] == 1)


def test_an_answer_does_not_depend_on_the_batch(chat_llama: Path) -> None:
    generator = make_generator(chat_llama, lora={"rank": 4})
    randomize_adapter(generator)
    together = generator.generate(PrefixBatch(PREFIX, PROMPTS), max_lengths=[15, 5, 10], paths=None)
    for prompt, limit, answer in zip(PROMPTS, [15, 5, 10], together, strict=True):
        (alone,) = generator.generate(PrefixBatch(PREFIX, [prompt]), max_lengths=[limit], paths=None)
        assert (alone.ids, alone.complete) == (answer.ids, answer.complete)
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-5)


def test_probabilities_are_those_of_the_forward_pass(chat_llama: Path) -> None:
    generator = make_generator(chat_llama)
    answers = generator.generate(PrefixBatch(PREFIX, PROMPTS), max_lengths=[6] * 3, paths=None)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        log_probs = generator(PrefixBatch(PREFIX, [prompt + tuple(answer.ids)]), [tuple(answer.ids)])
        assert log_probs.exp().tolist() == pytest.approx(answer.probabilities, abs=1e-5)


def test_merged_weights_generate_the_same(chat_llama: Path) -> None:
    plain = make_generator(chat_llama, lora={"rank": 4})
    merged = make_generator(chat_llama, lora={"rank": 4}, merge=True)
    randomize_adapter(plain)
    randomize_adapter(merged)
    one, other = (
        each.generate(PrefixBatch(PREFIX, PROMPTS), max_lengths=[10] * 3, paths=None) for each in (plain, merged)
    )
    assert [each.ids for each in one] == [each.ids for each in other]
    weight = next(iter(trainable_parameters(merged).values()))
    merged.train()
    with torch.no_grad():
        weight.add_(1.0)
    assert [each.ids for each in merged.generate(PrefixBatch(PREFIX, PROMPTS), max_lengths=[10] * 3, paths=None)] != [
        each.ids for each in other
    ]
