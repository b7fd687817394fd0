"""The torch side: a causal decoder that reads questions which begin alike, and writes answers."""

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

from ..base.load import Decoder, Pretrained, load_output, load_shared, own_copy
from ..encoder.base_reference import BaseReference
from ..encoder.lora import add_lora
from ..encoder.modules import Merged, SharedBase, shared_tokenizer
from ..encoder.settings import compute_dtype
from .constrained_decoding import ConstrainedPath, keep_allowed
from .prompt import ChatForm, Frame, PieceTokenizer, shared_piece_tokenizer
from .settings import GeneratorSettings


@dataclass(frozen=True)
class SharedDecoder(SharedBase):
    """What a writer works with besides: not a submodule of it, and shared by its copies.

    output: weight of the base's output layer, [n_subwords, hidden]. chat: its template.
    """

    output: Tensor
    chat: ChatForm
    speller: PieceTokenizer
    _frames: dict[str, Frame] = field(default_factory=dict)

    def frame(self, system: str) -> Frame:
        """The frame of questions under a system prompt. Raises BaseModelError where the template spoils the text."""
        # a template takes longer to fill in than a short answer to write
        if system not in self._frames:
            self._frames[system] = self.chat.frame(self.tokenizer, system)
        return self._frames[system]


class Rows(NamedTuple):
    """Subwords of several texts that begin alike.

    before: what all begin with. behind: what comes then, in each.
    """

    before: tuple[int, ...]
    behind: Sequence[tuple[int, ...]]


class Generated(NamedTuple):
    """An answer: its subwords without the end, the probability of each by the base, and whether it came to an end."""

    ids: list[int]
    probabilities: list[float]
    ended: bool


class Generator(nn.Module):
    """A decoder with its causal mask and its output layer.

    llama: the base with its adapter. merge: as for `WordEncoder`.
    What all rows begin with is read once and its keys and values stand for all, in training too, where gradients of
    all rows meet there: the same as reading it in each row, at a fraction of the cost.
    """

    def __init__(self, llama: Decoder, desk: SharedDecoder, *, merge: bool) -> None:
        super().__init__()
        self.llama = llama
        self.desk = desk
        self._merge = merge
        self._merged = Merged()

    def spec(self) -> dict[str, Any]:
        """Which base this is, how text is cut into its subwords, and how it is talked to."""
        return {**self.desk.saved, "chat": self.desk.chat.to_spec()}

    def train(self, mode: bool = True) -> Generator:
        """Switch between training and evaluation; whatever was merged is out of date after training."""
        if mode:
            self._merged.drop()
        super().train(mode)
        return self

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return self.desk.output.device

    def forward(self, rows: Rows, answers: Sequence[tuple[int, ...]]) -> Tensor:
        """Log-probabilities of the subwords of all answers, one after the other, fp32 [n_subwords].

        answers: each is the end of its row.
        """
        with self._precision():
            hidden, _, _ = self._read(rows)
            told = torch.cat([states[-len(ids) - 1 : -1] for states, ids in zip(hidden, answers, strict=True)])
            scores = self._scores(told)
        wanted = torch.tensor([subword for ids in answers for subword in ids], device=self.device)
        return -F.cross_entropy(scores, wanted, reduction="none")

    @torch.inference_mode()
    def write(self, rows: Rows, *, limits: Sequence[int], walks: Sequence[ConstrainedPath] | None) -> list[Generated]:
        """The likeliest answer to each row, subword by subword.

        limits: how many subwords each may have, its end included. walks: what each may say; null for anything.
        """
        self.eval()
        ends = set(self.desk.chat.ends) | ({walk.end for walk in walks} if walks else set())
        written = [Generated([], [], False) for _ in rows.behind]
        going = list(range(len(written)))
        with self._precision():
            hidden, cache, mask = self._read(rows)
            while True:
                scores = self._scores(hidden[:, -1])
                kept = keep_allowed(scores, [walks[i] for i in going]) if walks else scores
                chosen = kept.argmax(dim=-1)
                said = scores.log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0].exp()
                stay = []
                for row, (i, subword, probability) in enumerate(
                    zip(going, chosen.tolist(), said.tolist(), strict=True)
                ):
                    if subword in ends:
                        written[i] = written[i]._replace(ended=True)
                        continue
                    written[i].ids.append(subword)
                    written[i].probabilities.append(probability)
                    if len(written[i].ids) < limits[i]:
                        stay.append(row)
                        if walks:
                            walks[i].take(subword)
                if not stay:
                    return written
                if len(stay) < len(going):
                    rest = torch.tensor(stay, device=self.device)
                    cache.reorder_cache(rest)
                    mask, chosen, going = mask[rest], chosen[rest], [going[row] for row in stay]
                mask = F.pad(mask, (0, 1), value=1)
                hidden = self._step(chosen[:, None], mask, cache).last_hidden_state

    def _read(self, rows: Rows) -> tuple[Tensor, Any, Tensor]:
        """Hidden states [n_rows, width, hidden] behind the beginning, the keys and values so far, and their mask.

        Rows are padded on the left, so that all end at the same place.
        """
        width = max(map(len, rows.behind))
        padding = [width - len(ids) for ids in rows.behind]
        ids = torch.tensor([[0] * n + list(ids) for n, ids in zip(padding, rows.behind, strict=True)])
        mask = torch.ones(len(padding), len(rows.before) + width, dtype=torch.int64)
        for row, n in enumerate(padding):
            mask[row, len(rows.before) : len(rows.before) + n] = 0
        ids, mask = ids.to(self.device), mask.to(self.device)
        before = torch.tensor([rows.before], device=self.device)
        cache = self._step(before, torch.ones_like(before), None).past_key_values
        cache.reorder_cache(torch.zeros(len(padding), dtype=torch.int64, device=self.device))
        return self._step(ids, mask, cache).last_hidden_state, cache, mask

    def _step(self, ids: Tensor, mask: Tensor, cache: Any) -> Any:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        return self._reader()(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )

    def _reader(self) -> Pretrained:
        return self._merged.of(self.llama) if self._merge and not self.training else self.llama

    def _scores(self, hidden: Tensor) -> Tensor:
        scores = F.linear(hidden.to(self.desk.output.dtype), self.desk.output).float()
        cap = getattr(self.llama.config, "final_logit_softcapping", None)
        return scores if cap is None else (scores / cap).tanh() * cap

    def _precision(self) -> AbstractContextManager[Any]:
        dtype = self.desk.dtype
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def build_new(settings: GeneratorSettings) -> Generator:
    """A writer with a fresh adapter, on thinc's current device. Fetches the base if need be.

    Raises BaseModelError where the base has no chat template or no output layer.
    """
    origin = BaseReference.find(settings)
    return _build(settings, origin, ChatForm.find(Path(origin.path), settings.base))


def build_saved(settings: GeneratorSettings, spec: dict[str, Any]) -> Generator:
    """The writer that gave `spec`, but for its trained weights."""
    origin = BaseReference.from_spec(settings, {key: value for key, value in spec.items() if key != "chat"})
    return _build(settings, origin, ChatForm(**spec["chat"]))


def _build(settings: GeneratorSettings, origin: BaseReference, chat: ChatForm) -> Generator:
    device = torch.device(get_torch_default_device())
    dtype = compute_dtype(settings.dtype, device)
    with origin.folder() as folder:
        shared = load_shared(
            folder, origin.fingerprint, dtype=dtype, device=device, quantization=settings.quantization
        )
        output = load_output(folder, origin.fingerprint, shared)
    llama = own_copy(shared)
    # plain products: on a CPU they are faster backwards than the fused kernel, which knows no soft cap besides
    llama.config._attn_implementation = "eager"
    if settings.lora is not None:
        add_lora(llama, settings.lora)
    tokenizer = origin.tokenizer
    desk = SharedDecoder(
        shared,
        shared_tokenizer(tokenizer),
        dtype,
        origin.to_spec(),
        output,
        chat,
        shared_piece_tokenizer(tokenizer),
    )
    return Generator(llama, desk, merge=settings.merge)


class Targets(NamedTuple):
    """Questions with their answers behind them, and the answers by themselves, in subwords."""

    rows: Rows
    answers: list[tuple[int, ...]]
