"""How far F1 on a sample can be trusted, by the percentile bootstrap (Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .groups import Tally

RESAMPLES = 2000
COVERED = 0.95

Interval = tuple[float, float]


def f1_interval(docs: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 over all docs, given the entities of each; (0, 0) without docs."""
    return _ends(_resampled(docs))


def difference_interval(first: Sequence[Tally], second: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 of one system less that of another, on the same docs in the same order."""
    return _ends(_resampled(first) - _resampled(second))


def _resampled(docs: Sequence[Tally]) -> NDArray[np.float64]:
    """F1 of samples of docs, drawn with replacement: the same docs for whoever asks."""
    if not docs:
        return np.zeros(RESAMPLES)
    n = len(docs)
    times = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    right, predicted, gold = (times @ np.array([(doc.right, doc.predicted, doc.gold) for doc in docs])).T
    f1: NDArray[np.float64] = 2 * right / np.maximum(predicted + gold, 1)
    return f1


def _ends(samples: NDArray[np.float64]) -> Interval:
    tail = (1 - COVERED) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
