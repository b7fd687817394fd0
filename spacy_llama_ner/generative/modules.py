"""The torch side: a causal decoder that reads prompts with a common prefix, and generates answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from thinc.util import get_torch_default_device
from torch import Tensor, nn

from ..base.load import Decoder, Pretrained, copy_sharing_weights, load_output_weight, load_shared
from ..encoder.base_reference import BaseReference
from ..encoder.lora import MergeCache, add_lora
from ..encoder.modules import SharedBase, shared_tokenizer
from ..encoder.settings import compute_dtype
from .constrained_decoding import ConstrainedPath, mask_logits
from .prompt import ChatTemplate, PieceTokenizer, PromptFrame, shared_piece_tokenizer
from .settings import GeneratorSettings


class PrefixBatch(NamedTuple):
    """Subwords of several texts with a common prefix.

    Attributes:
        prefix: What all texts begin with.
        suffixes: What follows, in each text.
    """

    prefix: tuple[int, ...]
    suffixes: Sequence[tuple[int, ...]]


class Targets(NamedTuple):
    """What a generator is trained on.

    Attributes:
        batch: Prompts, each with its answer after it.
        answers: The answers alone, in subwords.
    """

    batch: PrefixBatch
    answers: list[tuple[int, ...]]


class GeneratedAnswer(NamedTuple):
    """An answer as the decoder generated it.

    Attributes:
        ids: Its subwords, without the one that ends it.
        probabilities: The probability that the base gave each of them.
        complete: Whether it came to its end.
    """

    ids: list[int]
    probabilities: list[float]
    complete: bool


@dataclass(frozen=True)
class SharedDecoder(SharedBase):
    """What a generator shares with its copies; it is no submodule of the generator.

    Attributes:
        output: Weight of the base's output layer, [n_subwords, hidden].
        chat: The chat template.
        piece_tokenizer: Tokenizes texts and answers.
    """

    output: Tensor
    chat: ChatTemplate
    piece_tokenizer: PieceTokenizer
    _frames: dict[str, PromptFrame] = field(default_factory=dict)

    def frame(self, system: str) -> PromptFrame:
        """Return what stands around the text in prompts with a system prompt.

        Raises:
            BaseModelError: If the chat template fails, or does not hand on a text as it is.
        """
        # filling in a template takes longer than generating a short answer
        if system not in self._frames:
            self._frames[system] = self.chat.make_frame(self.tokenizer, system)
        return self._frames[system]


class Generator(nn.Module):
    """A decoder with its causal mask and its output layer.

    The prefix of a batch is read once, and its keys and values are used in all rows. In training, the gradients of
    all rows meet there: the result is the same as with the prefix in each row, at a fraction of the cost.

    Args:
        llama: The base with its adapter.
        shared: Tokenizer, chat template and output layer.
        merge: Whether the adapter is merged into the weights for predictions.

    Attributes:
        llama: The base with its adapter.
        shared: Tokenizer, chat template and output layer.
    """

    def __init__(self, llama: Decoder, shared: SharedDecoder, *, merge: bool) -> None:
        super().__init__()
        self.llama = llama
        self.shared = shared
        self._merge = merge
        self._merged = MergeCache()

    def spec(self) -> dict[str, Any]:
        """Return what an untrained copy is built from: reference to the base, tokenizer and chat template."""
        return {**self.shared.spec, "chat": self.shared.chat.to_spec()}

    def train(self, mode: bool = True) -> Generator:
        """Switch between training and evaluation. Merged weights are dropped, as training outdates them."""
        if mode:
            self._merged.clear()
        super().train(mode)
        return self

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        return self.shared.output.device

    def forward(self, batch: PrefixBatch, answers: Sequence[tuple[int, ...]]) -> Tensor:
        """Compute the log-probabilities of given answers.

        Args:
            batch: Prompts, each with its answer after it.
            answers: The answers alone.

        Returns:
            Log-probabilities of the subwords of all answers, one after the other, fp32 [n_subwords].
        """
        with self._autocast():
            hidden, _, _ = self._encode(batch)
            states = torch.cat([row[-len(ids) - 1 : -1] for row, ids in zip(hidden, answers, strict=True)])
            logits = self._logits(states)
        targets = torch.tensor([subword for ids in answers for subword in ids], device=self.device)
        return -F.cross_entropy(logits, targets, reduction="none")

    @torch.inference_mode()
    def generate(
        self, batch: PrefixBatch, *, max_lengths: Sequence[int], paths: Sequence[ConstrainedPath] | None
    ) -> list[GeneratedAnswer]:
        """Generate an answer to each prompt by greedy decoding.

        Args:
            batch: The prompts.
            max_lengths: The most subwords of each answer, its end included.
            paths: What each answer may be; they are advanced. None for anything.

        Returns:
            The answers, in the order of the prompts.
        """
        self.eval()
        ends = set(self.shared.chat.ends) | ({path.end for path in paths} if paths else set())
        answers = [GeneratedAnswer([], [], False) for _ in batch.suffixes]
        # prompts whose answer goes on, which are the rows of all tensors below
        active = list(range(len(answers)))
        with self._autocast():
            hidden, cache, mask = self._encode(batch)
            while True:
                logits = self._logits(hidden[:, -1])
                masked = mask_logits(logits, [paths[i] for i in active]) if paths else logits
                chosen = masked.argmax(dim=-1)
                probabilities = logits.log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0].exp()
                kept = []
                for row, (i, subword, probability) in enumerate(
                    zip(active, chosen.tolist(), probabilities.tolist(), strict=True)
                ):
                    if subword in ends:
                        answers[i] = answers[i]._replace(complete=True)
                        continue
                    answers[i].ids.append(subword)
                    answers[i].probabilities.append(probability)
                    if len(answers[i].ids) < max_lengths[i]:
                        kept.append(row)
                        if paths:
                            paths[i].advance(subword)
                if not kept:
                    return answers
                if len(kept) < len(active):
                    rows = torch.tensor(kept, device=self.device)
                    cache.reorder_cache(rows)
                    mask, chosen, active = mask[rows], chosen[rows], [active[row] for row in kept]
                mask = F.pad(mask, (0, 1), value=1)
                hidden = self._run_decoder(chosen[:, None], mask, cache).last_hidden_state

    def _encode(self, batch: PrefixBatch) -> tuple[Tensor, Any, Tensor]:
        """Read a batch: hidden states [n_rows, width, hidden] of the suffixes, cache of keys and values, and mask.

        Rows are padded on the left, so that all end at the same place.
        """
        width = max(map(len, batch.suffixes))
        padding = [width - len(ids) for ids in batch.suffixes]
        ids = torch.tensor([[0] * n + list(ids) for n, ids in zip(padding, batch.suffixes, strict=True)])
        mask = torch.ones(len(padding), len(batch.prefix) + width, dtype=torch.int64)
        for row, n in enumerate(padding):
            mask[row, len(batch.prefix) : len(batch.prefix) + n] = 0
        ids, mask = ids.to(self.device), mask.to(self.device)
        prefix = torch.tensor([batch.prefix], device=self.device)
        cache = self._run_decoder(prefix, torch.ones_like(prefix), None).past_key_values
        cache.reorder_cache(torch.zeros(len(padding), dtype=torch.int64, device=self.device))
        return self._run_decoder(ids, mask, cache).last_hidden_state, cache, mask

    def _run_decoder(self, ids: Tensor, mask: Tensor, cache: Any) -> Any:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self._decoder()(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )

    def _decoder(self) -> Pretrained:
        return self._merged.get(self.llama) if self._merge and not self.training else self.llama

    def _logits(self, hidden: Tensor) -> Tensor:
        logits = F.linear(hidden.to(self.shared.output.dtype), self.shared.output).float()
        cap = getattr(self.llama.config, "final_logit_softcapping", None)
        return logits if cap is None else (logits / cap).tanh() * cap

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = self.shared.dtype
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def build_new_generator(settings: GeneratorSettings) -> Generator:
    """Build a generator with a fresh adapter, on thinc's current device. Fetches the base if need be.

    Args:
        settings: The settings.

    Raises:
        BaseModelError: If there is no such base, or it has no chat template or no output layer.
    """
    reference = BaseReference.find(settings)
    return _build(settings, reference, ChatTemplate.load(Path(reference.path), settings.base))


def build_saved_generator(settings: GeneratorSettings, spec: dict[str, Any]) -> Generator:
    """Build the generator that gave a spec, but for its trained weights.

    Args:
        settings: The settings.
        spec: What `Generator.spec` returned when the pipeline was saved.
    """
    reference = BaseReference.from_spec(settings, {key: value for key, value in spec.items() if key != "chat"})
    return _build(settings, reference, ChatTemplate(**spec["chat"]))


def _build(settings: GeneratorSettings, reference: BaseReference, chat: ChatTemplate) -> Generator:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    with reference.folder() as folder:
        base = load_shared(
            folder, reference.fingerprint, dtype=dtype, device=device, quantization=settings.quantization
        )
        output = load_output_weight(folder, reference.fingerprint, base)
    llama = copy_sharing_weights(base)
    # on a CPU, plain matrix products are faster backwards than the fused kernel, which has no soft cap either
    llama.config._attn_implementation = "eager"
    if settings.lora is not None:
        add_lora(llama, settings.lora)
    shared = SharedDecoder(
        base=base,
        tokenizer=shared_tokenizer(reference.tokenizer),
        dtype=dtype,
        spec=reference.to_spec(),
        output=output,
        chat=chat,
        piece_tokenizer=shared_piece_tokenizer(reference.tokenizer),
    )
    return Generator(llama, shared, merge=settings.merge)
