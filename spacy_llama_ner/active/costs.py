"""What labels of both kinds cost together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..annotate.cost import Expert, PriceError, PriceList, read_prices


@dataclass(frozen=True)
class Costs:
    """prices: None where nobody wants to know. silver: what all silver labels have cost, in the list's currency."""

    prices: PriceList | None
    silver: float

    @property
    def currency(self) -> str:
        """Of the price list; empty without one."""
        return "" if self.prices is None else self.prices.currency

    def of(self, words: float, *, silver: float) -> float | None:
        """An expert's labels of so many words, and this share (0 to 1) of the silver ones; None without prices."""
        expert = None if self.prices is None else self.prices.expert
        return None if expert is None else expert.cost(round(words)) + silver * self.silver


def read_costs(path: Path | None, *, silver: float) -> Costs:
    """By a price list such as assets/prices.yml, which has to have an expert. Raises: PriceError."""
    if path is None:
        return Costs(None, silver)
    prices = read_prices(path)
    if not isinstance(prices.expert, Expert):
        raise PriceError(f"The price list {path} has no `expert`, whose labels are what is counted here. Add one.")
    return Costs(prices, silver)
