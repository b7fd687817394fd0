"""What encoders of all kinds do: batches of subwords in, one vector a word out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.load import Pretrained
from .ahead import Ahead
from .batching import Batch, Format, Plan
from .encoded import Encoded

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Foundation:
    """What an encoder stands on: not a submodule of it, and shared by its copies.

    base: the base as all encoders in this process share it; kept here so that it lives as long as they do.
    tokenizer: cuts text into the subwords that the base knows.
    dtype: number format of matrix products.
    saved: what `spec()` gives back: which base this is, the tokenizer's JSON, the base's files if they are kept.
    """

    base: Pretrained
    tokenizer: Tokenizer
    dtype: torch.dtype
    saved: dict[str, Any]

    def __deepcopy__(self, memo: dict[int, Any]) -> Foundation:
        return self


class WordModule(nn.Module):
    """A base that reads whole windows and gives each word one vector. Subclasses say how it reads."""

    def __init__(self, foundation: Foundation) -> None:
        super().__init__()
        self.foundation = foundation
        self.ahead = Ahead()
        self.encoded: Encoded | None = None

    @property
    def base(self) -> Pretrained:
        """The base as it is without an adapter, shared with other encoders."""
        return self.foundation.base

    @property
    def width(self) -> int:
        """Size of a word vector."""
        return int(self.base.config.hidden_size)

    @property
    def tokenizer(self) -> Tokenizer:
        """Cuts text into the subwords that the base knows."""
        return self.foundation.tokenizer

    @property
    def dtype(self) -> torch.dtype:
        """Number format of matrix products."""
        return self.foundation.dtype

    @property
    def form(self) -> Format:
        """What windows have to look like."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next(self.parameters()).device

    def spec(self) -> dict[str, Any]:
        """Which base this is and how text is cut into its subwords."""
        return self.foundation.saved

    def forward(self, plan: Plan) -> Tensor:
        """Word vectors of all docs in `plan`, one after the other, fp32 [n_words, width]."""
        words = torch.zeros(int(plan.n_words.sum()), self.width, device=self.device)
        index, row = (torch.from_numpy(links).to(self.device) for links in (plan.words, plan.rows))
        ends = np.cumsum([0, *(len(batch.read) for batch in plan.batches)])
        cuts = np.searchsorted(plan.rows, ends)
        for i, batch in enumerate(plan.batches):
            links = slice(cuts[i], cuts[i + 1])
            words.index_add_(0, index[links], self.read(batch)[row[links] - ends[i]])
        return words.div_(torch.bincount(index, minlength=len(words)).clamp(min=1)[:, None])

    def read(self, batch: Batch) -> Tensor:
        """Hidden states at `batch.read`, fp32 [n_read, width]."""
        device = self.device
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden = self.hidden_states(batch, device)
        return hidden[torch.from_numpy(batch.read).to(device)].float()

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        raise NotImplementedError
