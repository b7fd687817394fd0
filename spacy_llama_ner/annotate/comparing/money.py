"""Costs in words, beside what an expert would take."""

from __future__ import annotations

from dataclasses import dataclass

from ..cost import Expert, PriceList
from .result import Result


@dataclass(frozen=True)
class Money:
    """Says what results cost: in the currency of the price list, or without one in tokens."""

    prices: PriceList | None

    @property
    def name(self) -> str:
        """What amounts are called."""
        return "tokens" if self.prices is None else f"cost, {self.prices.currency}"

    def amount(self, result: Result) -> float:
        """The cost as a number."""
        return result.tokens if result.cost is None else result.cost

    def of(self, result: Result) -> str:
        """The cost of a result, without the currency."""
        return f"{result.tokens:,}" if result.cost is None else show_cost(result.cost)

    def beside_expert(self, result: Result, *, words: int) -> str | None:
        """What the sample costs from a model, and from an expert; None where a price is missing."""
        if self.prices is None or self.prices.expert is None or result.cost is None:
            return None
        expert: Expert = self.prices.expert
        cost, currency = expert.cost(words), self.prices.currency
        minutes = words / expert.words_per_minute
        told = (
            f"For these {result.texts:,} texts ({words:,} words) {result.variant.model} took {currency} "
            f"{show_cost(result.cost)} (F1 {100 * result.f:.1f}); an expert takes {currency} {show_cost(cost)} "
            f"({minutes:,.0f} minutes)"
        )
        if not result.cost or not cost:
            return f"{told}."
        times = cost / result.cost
        return f"{told}, {times:,.1f} times as much." if times >= 1 else f"{told}, {1 / times:,.1f} times less."


def show_cost(cost: float) -> str:
    """An amount with two decimals, or two digits where it is small."""
    return f"{cost:,.2f}" if cost >= 1 or not cost else f"{cost:.2g}"
