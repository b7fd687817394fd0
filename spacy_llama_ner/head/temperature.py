"""Temperature scaling: one number that makes a CRF as sure of itself as gold data warrant (Guo et al. 2017).

https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import exp, log, sqrt

import torch
from torch import Tensor
from torchcrf import CRF

from .batches import by_length
from .loss import crf_loss
from .scheme import MISSING

LOWEST, HIGHEST = 0.1, 10.0
# The logarithm of the temperature is expected to be normal around 0 with this standard deviation. Thousands of words
# outvote it; a handful that are all right by chance do not make every score 1.
SPREAD = 0.5
TOLERANCE = 1e-3


def fit_temperature(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor]) -> float:
    """The temperature, between `LOWEST` and `HIGHEST`, at which the CRF finds the gold tags most probable.

    emissions: fp32 [n_words, n_tags] for each doc. tags: int64 [n_words], `MISSING` where the tag is not known. Docs
    without a known tag play no part. Neither `crf` nor its gradients are changed.
    """
    groups = list(by_length([len(gold) if (gold != MISSING).any() else 0 for gold in tags]))

    def cost(log_temperature: float) -> float:
        surprise = log_temperature**2 / (2 * SPREAD**2)
        temperature = exp(log_temperature)
        flatter = _divided(crf, temperature)
        for group in groups:
            scores = [emissions[i] / temperature for i in group]
            surprise += crf_loss(flatter, scores, [tags[i] for i in group]).item()
        return surprise

    with torch.no_grad():
        return exp(golden_section(cost, log(LOWEST), log(HIGHEST), tolerance=TOLERANCE))


def _divided(crf: CRF, temperature: float) -> CRF:
    divided = copy.deepcopy(crf)
    for parameter in divided.parameters():
        parameter /= temperature
    return divided


def golden_section(cost: Callable[[float], float], low: float, high: float, *, tolerance: float) -> float:
    """Where `cost`, a function with one valley, is lowest between `low` and `high` (Kiefer 1953), to `tolerance`."""
    ratio = (sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > tolerance:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return (low + high) / 2
