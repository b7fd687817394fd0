"""What both kinds of labels cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.active.costs import read_costs
from spacy_llama_ner.annotate.cost import PriceError

PRICES = Path(__file__).parent.parent.parent / "assets" / "prices.yml"


def test_an_expert_takes_money_by_the_word_and_silver_once() -> None:
    costs = read_costs(PRICES, silver=2.5)
    assert costs.of(400, silver=0) == pytest.approx(6.0)
    assert costs.of(400, silver=1) == pytest.approx(8.5)
    assert costs.of(400, silver=0.5) == pytest.approx(7.25)
    assert costs.currency == "USD"


def test_without_prices_nothing_is_told() -> None:
    assert read_costs(None, silver=1.0).of(400, silver=1) is None


def test_a_list_without_an_expert_does_not_do(tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("currency: EUR\nmodels: {}\n", encoding="utf8")
    with pytest.raises(PriceError, match="has no `expert`"):
        read_costs(path, silver=0.0)
