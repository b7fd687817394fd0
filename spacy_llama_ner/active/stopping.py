"""When more labels are not worth their price."""

from __future__ import annotations

from collections.abc import Sequence


def has_converged(scores: Sequence[float], *, min_rounds: int, patience: int, min_gain: float) -> bool:
    """Whether the last `patience` of `scores` have not brought the best of those before them up by `min_gain`.

    scores: of the start and of each round after it. Not before `min_rounds` rounds.
    """
    if len(scores) - 1 < max(min_rounds, patience):
        return False
    before, last = scores[:-patience], scores[-patience:]
    return max(last) < max(before) + min_gain


def find_best(scores: Sequence[float]) -> int:
    """The place of the highest score; among equals the first, which took the fewest labels."""
    return max(range(len(scores)), key=lambda i: scores[i])
