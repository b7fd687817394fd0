"""How far scores are from what they promise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def expected_calibration_error(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """The distance between mean score and share of hits, averaged over bins by their size (Naeini et al. 2015).

    scores: probabilities, 0 to 1, sorted into `bins` bins of equal width. right: whether each was a hit.
    Returns 0 to 1: at 0.05, scores and shares are five percentage points apart on average.
    Raises ValueError where there is no score, or not one for each hit or miss.
    """
    if not len(scores) or len(scores) != len(right):
        raise ValueError(f"Got {len(scores)} scores and {len(right)} verdicts; expected one of each, at least.")
    p, hit = np.asarray(scores, dtype="float64"), np.asarray(right, dtype="float64")
    which = np.minimum((p * bins).astype("int64"), bins - 1)
    return float(np.abs(np.bincount(which, weights=p - hit)).sum() / len(p))
