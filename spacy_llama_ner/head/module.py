"""The torch side of the head: emissions from word vectors, and the CRF over them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from .batches import is_word, pad
from .crf import make_crf
from .scheme import count_tags


class Shape(NamedTuple):
    """kind: what stands between word vectors and emissions; hidden and layers are read for a BiLSTM."""

    kind: Literal["linear", "bilstm"]
    hidden: int = 0
    layers: int = 0


class TaggerHead(nn.Module):
    """Dropout, an optional BiLSTM (Huang et al. 2015), a linear layer, and a CRF.

    width: size of the word vectors. labels: entity labels, in the order of the tags (`head.scheme`).
    temperature: what the CRF's scores are divided by where probabilities of entities are asked for. Neither the best
        tags nor the loss depend on it.
    """

    def __init__(self, shape: Shape, *, width: int, labels: list[str], temperature: float = 1.0) -> None:
        super().__init__()
        self.labels = labels
        self.width = width
        self.temperature = temperature
        self.dropout = nn.Dropout(0.0)
        self.lstm = (
            nn.LSTM(width, shape.hidden, num_layers=shape.layers, bidirectional=True, batch_first=True)
            if shape.kind == "bilstm"
            else None
        )
        self.output = nn.Linear(2 * shape.hidden if self.lstm else width, count_tags(len(labels)))
        self.crf = make_crf(count_tags(len(labels)))

    def spec(self) -> dict[str, Any]:
        """What it takes to build an untrained copy."""
        return {"width": self.width, "labels": self.labels, "temperature": self.temperature}

    def forward(self, words: Tensor, lengths: list[int]) -> Tensor:
        """Emissions [n_words, n_tags] of word vectors [n_words, width]; `lengths` are the words of each doc."""
        words = self.dropout(words)
        if self.lstm is not None:
            words = self.dropout(self._read_both_ways(words, lengths))
        return self.output(words)

    def _read_both_ways(self, words: Tensor, lengths: list[int]) -> Tensor:
        assert self.lstm is not None
        if not len(words):
            return words[:, :1].expand(0, 2 * self.lstm.hidden_size)
        padded, sizes = pad([doc for doc in words.split(lengths) if len(doc)])
        packed = nn.utils.rnn.pack_padded_sequence(padded, sizes.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return hidden[is_word(sizes, hidden.shape[1])]

    def extended(self, shape: Shape, labels: list[str]) -> TaggerHead:
        """A copy with more labels behind the present ones, whose emissions stay what they are."""
        bigger = TaggerHead(shape, width=self.width, labels=labels, temperature=self.temperature)
        bigger.to(self.output.weight.device)
        with torch.no_grad():
            for name, target in bigger.named_parameters():
                source = self.get_parameter(name)
                target[tuple(slice(size) for size in source.shape)] = source
        return bigger
