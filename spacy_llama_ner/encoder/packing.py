"""Windows one behind the other in a single row, without padding; padded only where they attend."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .batching import Batch


@dataclass(frozen=True)
class Group:
    """Windows that lie side by side in a row and attend together, each to itself.

    rows: which subwords of the row they are.
    width: subwords of the longest window.
    padding: bool [n_windows, width], on where a shorter window has no subword; None where all are as long.
    source: int64 [n_windows * width], the subword at each place, any at padding.
    places: int64 [n_subwords of the group], the place of each subword.
    """

    rows: slice
    n_windows: int
    width: int
    padding: Tensor | None
    source: Tensor
    places: Tensor

    def pad(self, row: Tensor) -> Tensor:
        """From [n_subwords of the row, ...] to [n_windows, width, ...]."""
        own = row[self.rows]
        if self.padding is not None:
            own = own.index_select(0, self.source)
        return own.unflatten(0, (self.n_windows, self.width))

    def unpad(self, padded: Tensor) -> Tensor:
        """From [n_windows, width, ...] to [n_subwords of the group, ...]."""
        flat = padded.flatten(0, 1)
        return flat if self.padding is None else flat.index_select(0, self.places)


def make_groups(batch: Batch, device: torch.device) -> list[Group]:
    """The groups of `batch`, their tensors on `device`."""
    start, groups = 0, []
    for group in batch.groups:
        lengths = torch.from_numpy(batch.lengths[group])
        groups.append(_make_group(lengths, start, device))
        start += int(lengths.sum())
    return groups


def _make_group(lengths: Tensor, start: int, device: torch.device) -> Group:
    n, width = len(lengths), int(lengths.max())
    places = torch.arange(width).expand(n, -1)
    padding = places >= lengths[:, None]
    first = (lengths.cumsum(0) - lengths)[:, None]
    source = (first + places).masked_fill(padding, 0)
    return Group(
        rows=slice(start, start + int(lengths.sum())),
        n_windows=n,
        width=width,
        padding=padding.to(device) if padding.any() else None,
        source=source.flatten().to(device),
        places=(~padding).flatten().nonzero()[:, 0].to(device),
    )


def positions(batch: Batch) -> Tensor:
    """int64 [n_subwords]: how far each subword stands from the start of its window."""
    lengths = torch.from_numpy(batch.lengths)
    starts = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    return torch.arange(len(batch.ids)) - starts
