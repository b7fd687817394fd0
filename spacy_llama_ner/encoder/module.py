"""The torch side of the Llama, which reads packed windows."""

from __future__ import annotations

import torch
from torch import Tensor

from ..base.load import Decoder
from .alignment import special_ids
from .batching import Batch, Format
from .merged import Merged
from .packing import make_groups, positions
from .words import Foundation, WordModule

# Only attention is padded; see `Format.cost_of_a_group`.
COST_OF_A_GROUP = 64


class WordEncoder(WordModule):
    """A decoder whose windows lie one behind the other in a single row; only attention tells them apart.

    llama: the base with its adapter, made ready for packed windows by `remove_causal_mask`.
    merge: predict with the adapter merged into a copy of the weights, which is made when first needed and dropped
        when training goes on.
    """

    def __init__(self, llama: Decoder, foundation: Foundation, *, merge: bool) -> None:
        super().__init__(foundation)
        self.llama = llama
        self._merge = merge
        self._merged = Merged()

    @property
    def form(self) -> Format:
        """What stands behind a text (`</s>`) a decoder only learned to write; it is left out."""
        prefix, _ = special_ids(self.tokenizer)
        return Format(prefix, [], COST_OF_A_GROUP)

    def train(self, mode: bool = True) -> WordEncoder:
        """Switch between training and evaluation; whatever was merged is out of date after training."""
        if mode:
            self._merged.drop()
        super().train(mode)
        return self

    def _reader(self) -> Decoder:
        return self._merged.of(self.llama) if self._merge and not self.training else self.llama

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        return self.read_rows(batch, device)[0]

    def read_rows(self, batch: Batch, device: torch.device) -> Tensor:
        """The same as a row, [1, n_subwords, width]."""
        states: Tensor = self._reader()(
            input_ids=torch.from_numpy(batch.ids).to(device)[None],
            position_ids=positions(batch).to(device)[None],
            # a mask of four dimensions keeps transformers from building one
            attention_mask=torch.zeros(1, 1, 1, 1, dtype=self.dtype, device=device),
            use_cache=False,
            windows=make_groups(batch, device),
        ).last_hidden_state
        return states
