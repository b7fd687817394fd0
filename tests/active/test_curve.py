"""Means over folds, and where they stop to grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spacy_llama_ner.active.cells import Cell, Line
from spacy_llama_ner.active.costs import Costs
from spacy_llama_ner.active.curve import Mean, Row, make_rows, saturation
from spacy_llama_ner.annotate.cost import Expert, PriceList

COSTS = Costs(PriceList(Path("prices.yml"), "EUR", {}, Expert(minute=0.5, words_per_minute=10)), silver=3.0)


def result(f: float, words: int = 100, loss: float | None = 0.5) -> dict[str, Any]:
    return {"ents_f": f, "ents_token_acc": 0.9, "loss": loss, "sentences": words // 10, "words": words}


def row(share: float, f: float, spread: float = 0.0, line: Line = "mixed") -> Row:
    return Row(line, share, 4, 1, 10, Mean(f, spread), Mean(0.9, 0.0), None, None)


def test_a_row_is_the_mean_over_the_folds() -> None:
    results = [
        (Cell("mixed", 0.0, 0), result(0.4, words=0)),
        (Cell("mixed", 0.1, 0), result(0.5)),
        (Cell("gold", 1.0, 0), result(0.9, words=1000)),
        (Cell("mixed", 0.0, 1), result(0.6, words=0)),
        (Cell("mixed", 0.1, 1), result(0.8, words=110, loss=None)),
        (Cell("gold", 1.0, 1), result(0.9, words=1000)),
    ]
    silver, mixed, gold = make_rows(results, COSTS)
    assert (silver.share, mixed.share, gold.share, gold.line) == (0.0, 0.1, 1.0, "gold")
    assert silver.f.mean == pytest.approx(0.5)
    assert silver.f.spread == pytest.approx(0.02**0.5)
    assert (mixed.words, mixed.loss) == (105, None)
    # silver labels are paid for where they are used: here a training has half of them
    assert (silver.cost, mixed.cost, gold.cost) == (1.5, pytest.approx(1.5 + 105 / 10 * 0.5), 50.0)
    assert make_rows(results, Costs(None, 0.0))[1].cost is None


def test_it_is_enough_once_the_rest_may_be_chance() -> None:
    rows = [row(0.0, 0.4), row(0.1, 0.68), row(0.2, 0.72, 0.02), row(0.3, 0.73, 0.03), row(0.4, 0.725)]
    found = saturation([*reversed(rows), row(1.0, 0.99, line="gold")])
    # one standard error of the best is 0.03 / sqrt(4)
    assert found is not None
    assert found.share == 0.2


def test_while_it_grows_nobody_knows() -> None:
    assert saturation([row(0.0, 0.4), row(0.1, 0.5), row(0.2, 0.6)]) is None
