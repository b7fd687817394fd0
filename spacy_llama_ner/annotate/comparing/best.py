"""Which variant to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .result import Result


@dataclass(frozen=True)
class Best:
    """The best two ways, which may be one.

    by_f1: the highest F1; among equals the cheapest.
    for_cost: the cheapest of those whose F1 is not below the 95% interval of the highest. Without prices, and where
        all cost the same, that with the fewest tokens.
    """

    by_f1: Result
    for_cost: Result


def find_best(results: Sequence[Result]) -> Best | None:
    """The best of `results`; None where nothing right was found at all."""
    best = max(results, key=lambda result: (result.f, *(-price for price in _price(result))), default=None)
    if best is None or not best.f:
        return None
    near = [result for result in results if result.f >= best.low]
    return Best(best, min(near, key=lambda result: (*_price(result), -result.f)))


def _price(result: Result) -> tuple[float, float]:
    return result.cost or 0.0, result.tokens
