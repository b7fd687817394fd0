"""A base that writes: chats in, replies out, a batch at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jinja2 import TemplateError
from thinc.util import get_torch_default_device
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.configuration_utils import GenerationConfig

from ...base.chat_template import end_ids, in_template, load_chat_tokenizer
from ...base.load import load_generator
from ...base.locate import locate_base
from .base import Message, Refused


@dataclass(frozen=True)
class EncodedPrompt:
    """A chat, ready to be gone on with.

    ids: its subwords.
    limit: how many subwords the reply may have.
    temperature: 0 for the likeliest subword each time; above, subwords are drawn.
    seed: what the drawing depends on.
    """

    ids: list[int]
    limit: int
    temperature: float
    seed: str


class ChatModel:
    """A base under its chat template, on thinc's current device.

    The weights are its own, with the causal mask, whatever other components have made of the same base. It reckons in
    float32: with bfloat16 the reply to one prompt depends on what else is in the batch.
    base: as for `LlamaEncoder.v1`.

    Raises: BaseModelError (a ValueError) where the base cannot be had or has no chat template, OSError where its
    weights cannot be read.
    """

    def __init__(self, base: str) -> None:
        folder = locate_base(base)
        self._tokenizer = load_chat_tokenizer(folder, base)
        device = torch.device(get_torch_default_device())
        self._model = load_generator(folder, dtype=torch.float32, device=device)
        self.positions: int = self._model.config.max_position_embeddings
        self._ends = end_ids(folder, self._tokenizer)
        # what else a base's own settings say (temperatures, penalties) is left aside
        self._model.generation_config = GenerationConfig()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The subwords of a chat, up to where the reply begins.

        Where the template takes no system turn, as Gemma's, its content goes in front of the turn behind it.
        Raises: Refused where it does not take the chat even so.
        """
        try:
            text = in_template(self._tokenizer, [(message.role, message.content) for message in messages])
        except TemplateError as error:
            raise Refused(f"The chat template of this base does not take the prompt: {error}") from error
        # the template brings the special subwords
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @torch.inference_mode()
    def reply(self, prompts: Sequence[EncodedPrompt]) -> list[tuple[str, int, bool]]:
        """For each prompt the text, its number of subwords, and whether the limit cut it.

        A prompt gets the same reply in any company: all are padded on the left, and each draws by its own seed.
        """
        width = max(len(prompt.ids) for prompt in prompts)
        pad = self._ends[0]
        device = self._model.device
        rows = [[pad] * (width - len(prompt.ids)) + prompt.ids for prompt in prompts]
        mask = [[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts]
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=max(prompt.limit for prompt in prompts),
            eos_token_id=self._ends,
            pad_token_id=pad,
        )
        written = self._model.generate(
            input_ids=torch.tensor(rows, device=device),
            attention_mask=torch.tensor(mask, device=device),
            generation_config=settings,
            logits_processor=[_Draw(prompts)] if any(prompt.temperature for prompt in prompts) else [],
            stopping_criteria=[_Limits([width + prompt.limit for prompt in prompts], device)],
        )
        return [
            self._finish(row[:limit])
            for row, limit in zip(written[:, width:].tolist(), (prompt.limit for prompt in prompts), strict=True)
        ]

    def _finish(self, ids: list[int]) -> tuple[str, int, bool]:
        end = next((i for i, each in enumerate(ids) if each in self._ends), None)
        text = self._tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text, len(ids) if end is None else end + 1, end is None


class _Limits(StoppingCriteria):
    """Ends each row at a length of its own."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self._lengths = torch.tensor(lengths, device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: Any) -> Tensor:
        return self._lengths <= input_ids.shape[1]


class _Draw(LogitsProcessor):
    """Makes the likeliest subword of a row a drawn one, by the Gumbel-max trick (Maddison et al. 2014, A* Sampling).

    Each row has a generator of its own, so that what it draws does not depend on the others.
    """

    def __init__(self, prompts: Sequence[EncodedPrompt]) -> None:
        self._temperatures = [prompt.temperature for prompt in prompts]
        self._generators = [torch.Generator().manual_seed(_number(prompt.seed)) for prompt in prompts]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores = scores.clone()
        for row, temperature, generator in zip(scores, self._temperatures, self._generators, strict=True):
            if temperature:
                waits = torch.empty(row.shape, dtype=row.dtype).exponential_(generator=generator)
                row.div_(temperature).sub_(waits.log().to(row.device))
        return scores


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")
