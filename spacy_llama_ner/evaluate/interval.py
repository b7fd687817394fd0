"""How far F1 on a sample can be trusted, by the percentile bootstrap (Efron and Tibshirani 1993)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from .groups import Tally

RESAMPLES = 2000
COVERED = 0.95

Interval = tuple[float, float]


def f1_interval(docs: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 over all docs (or sentences), given the entities of each; (0, 0) without."""
    return _ends(_resampled(docs)[0])


def difference_interval(first: Sequence[Tally], second: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 of one system less that of another, on the same docs in the same order."""
    one, other = _resampled(first, second)
    return _ends(one - other)


def _resampled(*systems: Sequence[Tally]) -> NDArray[np.float64]:
    """F1 of samples of docs, drawn with replacement, the same docs for all systems: [n_systems, RESAMPLES]."""
    n = len(systems[0])
    if not n:
        return np.zeros((len(systems), RESAMPLES))
    tallies = np.array([[count for doc in row for count in astuple(doc)] for row in zip(*systems, strict=True)])
    # docs that count alike need not be told apart: memory grows with how many kinds there are
    kinds, times = np.unique(tallies, axis=0, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(n, times / n, size=RESAMPLES) @ kinds
    right, predicted, gold = drawn.reshape(RESAMPLES, len(systems), 3).T
    f1: NDArray[np.float64] = 2 * right / np.maximum(predicted + gold, 1)
    return f1


def _ends(samples: NDArray[np.float64]) -> Interval:
    tail = (1 - COVERED) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
