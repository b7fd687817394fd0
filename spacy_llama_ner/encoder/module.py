"""The torch side of the encoder: batches of subwords in, one vector a word out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..base.load import Decoder
from .batching import Batch, Plan
from .packing import make_groups, positions

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class _Shared:
    """Holds on to a base that is not a submodule, and that a copy of the encoder shares."""

    base: Decoder

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


class WordEncoder(nn.Module):
    """A decoder that reads whole windows and gives each word one vector.

    llama: the base with its adapter, made ready for packed windows by `remove_causal_mask`.
    shared: the base as all encoders in this process share it; kept here so that it lives as long as they do.
    saved: what `spec()` gives back: which base this is, the tokenizer's JSON, the base's files if they are kept.
    """

    def __init__(
        self,
        llama: Decoder,
        *,
        shared: Decoder,
        tokenizer: Tokenizer,
        dtype: torch.dtype,
        saved: dict[str, Any],
    ) -> None:
        super().__init__()
        self.llama = llama
        self.tokenizer = tokenizer
        self.dtype = dtype
        self._shared = _Shared(shared)
        self._saved = saved

    @property
    def width(self) -> int:
        """Size of a word vector."""
        return int(self.llama.config.hidden_size)

    def spec(self) -> dict[str, Any]:
        """Which base this is and how text is cut into its subwords."""
        return self._saved

    def forward(self, plan: Plan) -> Tensor:
        """Word vectors of all docs in `plan`, one after the other, fp32 [n_words, width]."""
        device = self.llama.device
        words = torch.zeros(int(plan.n_words.sum()), self.width, device=device)
        if not plan.batches:
            return words
        rows = torch.cat([self._read(batch, device) for batch in plan.batches])
        index = torch.from_numpy(plan.words).to(device)
        linked = rows[torch.from_numpy(plan.rows).to(device)]
        counts = torch.bincount(index, minlength=len(words)).clamp(min=1)
        return words.index_add(0, index, linked) / counts[:, None]

    def _read(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states at `batch.read`, fp32 [n_read, width]."""
        ids = torch.from_numpy(batch.ids).to(device)
        places = positions(batch).to(device)
        # a mask of four dimensions keeps transformers from building one
        no_mask = torch.zeros(1, 1, 1, 1, dtype=self.dtype, device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden = self.llama(
                input_ids=ids[None],
                position_ids=places[None],
                attention_mask=no_mask,
                use_cache=False,
                windows=make_groups(batch, device),
            ).last_hidden_state[0]
        return hidden[torch.from_numpy(batch.read).to(device)].float()
