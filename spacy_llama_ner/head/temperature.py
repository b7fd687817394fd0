"""Temperature scaling: one number that makes a CRF as sure of itself as gold data warrant (Guo et al. 2017).

https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .crf import by_length
from .loss import crf_loss

if TYPE_CHECKING:
    from torchcrf import CRF

LOWEST, HIGHEST = 0.1, 10.0
# The logarithm of the temperature is expected to be normal around 0 with this standard deviation. Thousands of words
# outvote it; a handful that are all right by chance do not make every score 1.
SPREAD = 0.5
TOLERANCE = 1e-3


def fit_temperature(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor]) -> float:
    """The temperature, between `LOWEST` and `HIGHEST`, at which the CRF finds the gold tags most probable.

    emissions: fp32 [n_words, n_tags] for each doc. tags: int64 [n_words], below 0 where the tag is not known. Docs
    without a known tag play no part. Neither `crf` nor its gradients are changed.
    """
    # scipy is slow to import, and only this needs it
    from scipy.optimize import minimize_scalar

    groups = list(by_length([len(gold) if (gold >= 0).any() else 0 for gold in tags], n_tags=crf.num_tags))

    def cost(log_temperature: float) -> float:
        surprise = log_temperature**2 / (2 * SPREAD**2)
        temperature = exp(log_temperature)
        flatter = _divided(crf, temperature)
        for group in groups:
            scores = [emissions[i] / temperature for i in group]
            surprise += crf_loss(flatter, scores, [tags[i] for i in group], missing="split").item()
        return surprise

    with torch.no_grad():
        found = minimize_scalar(
            cost, bounds=(log(LOWEST), log(HIGHEST)), method="bounded", options={"xatol": TOLERANCE}
        )
    return exp(found.x)


def _divided(crf: CRF, temperature: float) -> CRF:
    divided = copy.deepcopy(crf)
    for parameter in divided.parameters():
        parameter /= temperature
    return divided
