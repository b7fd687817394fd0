"""A base under its chat template: encodes chats and generates replies, a batch at a time.

It stands apart from `local` because it imports transformers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jinja2 import TemplateError
from thinc.util import get_torch_default_device
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.configuration_utils import GenerationConfig

from ...base.chat_template import apply_template, end_token_ids, load_chat_tokenizer
from ...base.load import load_generator
from ...base.locate import locate_base
from .base import BackendRefusedError, Message


@dataclass(frozen=True)
class EncodedPrompt:
    """A chat in subwords, ready for generation.

    Attributes:
        ids: The subwords, up to where the reply begins.
        max_new_tokens: How many subwords the reply may have.
        temperature: 0 for greedy decoding, more for sampling.
        seed: What sampling depends on.
    """

    ids: list[int]
    max_new_tokens: int
    temperature: float
    seed: str


class Completion(NamedTuple):
    """A generated reply.

    Attributes:
        text: The reply.
        n_tokens: Its subwords, the end mark included.
        cut: Whether `EncodedPrompt.max_new_tokens` ended it.
    """

    text: str
    n_tokens: int
    cut: bool


class ChatModel:
    """A base under its chat template, on thinc's current device.

    The weights are its own, with the causal mask, whatever other components have made of the same base. It computes
    in float32: in bfloat16 the reply to a prompt depends on what else is in the batch.

    Attributes:
        max_positions: How many subwords the base can read, those of the reply included.
    """

    def __init__(self, base: str) -> None:
        """Load tokenizer and weights.

        Args:
            base: A decoder tuned for chats, by name as for `LlamaEncoder.v1`.

        Raises:
            BaseModelError: If there is no such base, or it has no chat template.
            OSError: If its weights cannot be read.
        """
        folder = locate_base(base)
        self._tokenizer = load_chat_tokenizer(folder, base)
        device = torch.device(get_torch_default_device())
        self._model = load_generator(folder, dtype=torch.float32, device=device)
        self.max_positions: int = self._model.config.max_position_embeddings
        self._end_ids = end_token_ids(folder, self._tokenizer)
        # a base's own settings for sampling (temperatures, penalties) play no part
        self._model.generation_config = GenerationConfig()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Encode a chat.

        Where the template takes no system turn, as Gemma's, its content goes in front of the turn behind it.

        Args:
            messages: The turns.

        Returns:
            The chat's subwords, up to where the reply begins.

        Raises:
            BackendRefusedError: If the template does not take the chat even so.
        """
        try:
            text = apply_template(self._tokenizer, [(message.role, message.content) for message in messages])
        except TemplateError as error:
            raise BackendRefusedError(
                f"The chat template of this base does not take the prompt: {error}. Give another base or prompt."
            ) from error
        # the template brings the special subwords
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def generate(self, prompts: Sequence[EncodedPrompt]) -> list[Completion]:
        """Generate replies.

        A prompt gets the same reply whatever else is in the batch: all are padded on the left, and each is sampled
        with its own seed.

        Args:
            prompts: The batch.

        Returns:
            One completion for each prompt.
        """
        width = max(len(prompt.ids) for prompt in prompts)
        pad = self._end_ids[0]
        device = self._model.device
        rows = [[pad] * (width - len(prompt.ids)) + prompt.ids for prompt in prompts]
        mask = [[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts]
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(prompt.max_new_tokens for prompt in prompts),
            eos_token_id=self._end_ids,
            pad_token_id=pad,
        )
        output = self._model.generate(
            input_ids=torch.tensor(rows, device=device),
            attention_mask=torch.tensor(mask, device=device),
            generation_config=settings,
            logits_processor=[_GumbelSampler(prompts)] if any(prompt.temperature for prompt in prompts) else [],
            stopping_criteria=[_MaxLengths([width + prompt.max_new_tokens for prompt in prompts], device)],
        )
        return [
            self._decode(row[: prompt.max_new_tokens])
            for row, prompt in zip(output[:, width:].tolist(), prompts, strict=True)
        ]

    def _decode(self, ids: list[int]) -> Completion:
        end = next((i for i, each in enumerate(ids) if each in self._end_ids), None)
        text = self._tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Completion(text, len(ids) if end is None else end + 1, end is None)


class _MaxLengths(StoppingCriteria):
    """Ends each row at its own length."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self._lengths = torch.tensor(lengths, device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        return self._lengths <= input_ids.shape[1]


class _GumbelSampler(LogitsProcessor):
    """Makes the likeliest subword of a row a sampled one, by the Gumbel-max trick.

    See Maddison et al. 2014, A* Sampling. Each row has its own generator, so that its sample does not
    depend on the other rows.
    """

    def __init__(self, prompts: Sequence[EncodedPrompt]) -> None:
        self._temperatures = [prompt.temperature for prompt in prompts]
        self._generators = [torch.Generator().manual_seed(_seed_number(prompt.seed)) for prompt in prompts]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores = scores.clone()
        for row, temperature, generator in zip(scores, self._temperatures, self._generators, strict=True):
            if temperature:
                waits = torch.empty(row.shape, dtype=row.dtype).exponential_(generator=generator)
                row.div_(temperature).sub_(waits.log().to(row.device))
        return scores


def _seed_number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")
