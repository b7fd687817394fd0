"""The torch side of the encoder: batches of subwords in, one vector a word out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.load import Decoder
from .batching import Batch, Plan
from .lora import merged_copy
from .packing import make_groups, positions

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class _Shared:
    """Holds on to what is not a submodule, and what a copy of the encoder shares."""

    base: Decoder
    tokenizer: Tokenizer
    saved: dict[str, Any]

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


@dataclass
class _Merged:
    """Holds on to a merged decoder that is not a submodule, and that a copy of the encoder makes anew."""

    llama: Decoder | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> _Merged:
        return _Merged()


class WordEncoder(nn.Module):
    """A decoder that reads whole windows and gives each word one vector.

    llama: the base with its adapter, made ready for packed windows by `remove_causal_mask`.
    merge: predict with the adapter merged into a copy of the weights, which is made when first needed and dropped
        when training goes on.
    shared: the base as all encoders in this process share it; kept here so that it lives as long as they do.
    saved: what `spec()` gives back: which base this is, the tokenizer's JSON, the base's files if they are kept.
    """

    def __init__(
        self,
        llama: Decoder,
        *,
        merge: bool,
        shared: Decoder,
        tokenizer: Tokenizer,
        dtype: torch.dtype,
        saved: dict[str, Any],
    ) -> None:
        super().__init__()
        self.llama = llama
        self.dtype = dtype
        self._merge = merge
        self._merged = _Merged()
        self._shared = _Shared(shared, tokenizer, saved)

    @property
    def width(self) -> int:
        """Size of a word vector."""
        return int(self.llama.config.hidden_size)

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts text into the subwords that the decoder knows."""
        return self._shared.tokenizer

    def spec(self) -> dict[str, Any]:
        """Which base this is and how text is cut into its subwords."""
        return self._shared.saved

    def forward(self, plan: Plan) -> Tensor:
        """Word vectors of all docs in `plan`, one after the other, fp32 [n_words, width]."""
        device = self.llama.device
        words = torch.zeros(int(plan.n_words.sum()), self.width, device=device)
        index, row = torch.from_numpy(plan.words).to(device), torch.from_numpy(plan.rows).to(device)
        ends = np.cumsum([0, *(len(batch.read) for batch in plan.batches)])
        cuts = np.searchsorted(plan.rows, ends)
        for i, batch in enumerate(plan.batches):
            links = slice(cuts[i], cuts[i + 1])
            words.index_add_(0, index[links], self.read(batch)[row[links] - ends[i]])
        return words.div_(torch.bincount(index, minlength=len(words)).clamp(min=1)[:, None])

    def train(self, mode: bool = True) -> WordEncoder:
        """Switch between training and evaluation; whatever was merged is out of date after training."""
        if mode:
            self._merged.llama = None
        return super().train(mode)

    def _reader(self) -> Decoder:
        if self.training or not self._merge:
            return self.llama
        if self._merged.llama is None:
            self._merged.llama = merged_copy(self.llama)
        return self._merged.llama

    def read(self, batch: Batch) -> Tensor:
        """Hidden states at `batch.read`, fp32 [n_read, width]."""
        device = self.llama.device
        ids = torch.from_numpy(batch.ids).to(device)
        places = positions(batch).to(device)
        # a mask of four dimensions keeps transformers from building one
        no_mask = torch.zeros(1, 1, 1, 1, dtype=self.dtype, device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden = self._reader()(
                input_ids=ids[None],
                position_ids=places[None],
                attention_mask=no_mask,
                use_cache=False,
                windows=make_groups(batch, device),
            ).last_hidden_state[0]
        return hidden[torch.from_numpy(batch.read).to(device)].float()
