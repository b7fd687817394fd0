"""Temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599): one number that calibrates a CRF."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import exp, log
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .crf import group_by_length
from .loss import crf_loss

if TYPE_CHECKING:
    from torchcrf import CRF

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0
# The logarithm of the temperature has a normal prior around 0 with this standard deviation. Thousands of words
# outvote it; a handful that are all right by chance do not make every score 1.
PRIOR_STD = 0.5
TOLERANCE = 1e-3


def fit_temperature(crf: CRF, emissions: Sequence[Tensor], tags: Sequence[Tensor]) -> float:
    """Find the temperature at which the CRF gives gold tags the highest probability.

    Docs without a known tag play no part. Neither the CRF nor its gradients are changed.

    Args:
        crf: The CRF.
        emissions: Emissions fp32 [n_words, n_tags] of each doc.
        tags: Gold tags int64 [n_words] of each doc, below 0 where the tag is not known.

    Returns:
        The temperature, between `MIN_TEMPERATURE` and `MAX_TEMPERATURE`.
    """
    # scipy is slow to import, and nothing else needs it
    from scipy.optimize import minimize_scalar

    lengths = [len(gold) if (gold >= 0).any() else 0 for gold in tags]
    groups = list(group_by_length(lengths, n_tags=crf.num_tags))

    def cost(log_temperature: float) -> float:
        surprise = log_temperature**2 / (2 * PRIOR_STD**2)
        temperature = exp(log_temperature)
        scaled = _scaled_copy(crf, temperature)
        for group in groups:
            scores = [emissions[i] / temperature for i in group]
            surprise += crf_loss(scaled, scores, [tags[i] for i in group], missing="split").item()
        return surprise

    with torch.no_grad():
        found = minimize_scalar(
            cost,
            bounds=(log(MIN_TEMPERATURE), log(MAX_TEMPERATURE)),
            method="bounded",
            options={"xatol": TOLERANCE},
        )
    return exp(found.x)


def _scaled_copy(crf: CRF, temperature: float) -> CRF:
    scaled = copy.deepcopy(crf)
    for parameter in scaled.parameters():
        parameter /= temperature
    return scaled
