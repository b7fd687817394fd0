"""A linear-chain CRF whose illegal transitions stay illegal (Lafferty et al. 2001)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torchcrf import CRF

from .scheme import illegal_transitions, is_inside

# No emission makes up for it. Every tag but I-x follows every tag, so no sum over paths is ever empty.
IMPOSSIBLE = float("-inf")


class _Forbid(nn.Module):
    """Replaces the scores at `illegal` on every read, whatever the parameter underneath says."""

    def __init__(self, illegal: Tensor) -> None:
        super().__init__()
        self.illegal: Tensor
        self.register_buffer("illegal", illegal, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        return scores.masked_fill(self.illegal, IMPOSSIBLE)


def make_crf(n_tags: int) -> CRF:
    """pytorch-crf's CRF over BIO tags in the order of `head.scheme`, batch first.

    All legal transitions start at zero. I-x after anything but B-x or I-x, or at the start, scores `IMPOSSIBLE`.
    """
    crf = CRF(n_tags, batch_first=True)
    for parameter in crf.parameters():
        nn.init.zeros_(parameter)
    illegal = torch.from_numpy(illegal_transitions(n_tags))
    parametrize.register_parametrization(crf, "transitions", _Forbid(illegal))
    parametrize.register_parametrization(crf, "start_transitions", _Forbid(torch.from_numpy(is_inside(n_tags))))
    return crf
