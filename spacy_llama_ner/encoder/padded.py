"""An encoder of the BERT family, which reads padded windows."""

from __future__ import annotations

import torch
from torch import Tensor

from ..base.load import Pretrained
from .alignment import special_ids
from .batching import Batch, Format
from .packing import Group, make_groups
from .words import Foundation, WordModule

# A group goes through all layers by itself, where few rows are slow; see `Format.cost_of_a_group`.
COST_OF_A_GROUP = 256


class PaddedEncoder(WordModule):
    """An encoder whose windows are padded where they differ a little; its own attention masks the padding.

    transformer: the base with its adapter.
    """

    def __init__(self, transformer: Pretrained, foundation: Foundation) -> None:
        super().__init__(foundation)
        self.transformer = transformer

    @property
    def form(self) -> Format:
        """Every window between the special subwords of a text."""
        prefix, suffix = special_ids(self.tokenizer)
        return Format(prefix, suffix, COST_OF_A_GROUP)

    def hidden_states(self, batch: Batch, device: torch.device) -> Tensor:
        """Hidden states of all subwords of `batch`, [n_subwords, width]."""
        ids = torch.from_numpy(batch.ids).to(device)
        return torch.cat([self._read_group(ids, group) for group in make_groups(batch, device)])

    def _read_group(self, ids: Tensor, group: Group) -> Tensor:
        windows = group.pad(ids)
        mask = torch.ones_like(windows)
        if group.padding is not None:
            # the RoBERTa family counts positions by what is not this subword
            windows = windows.masked_fill(group.padding, self.transformer.config.pad_token_id)
            mask = mask.masked_fill(group.padding, 0)
        return group.unpad(self.transformer(input_ids=windows, attention_mask=mask).last_hidden_state)
