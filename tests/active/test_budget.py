"""The budget experiment, training by training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import srsly
from spacy.vocab import Vocab

from spacy_llama_ner.active import Budget
from spacy_llama_ner.active import budget as budget_module
from spacy_llama_ner.active.budget import (
    BudgetRow,
    BudgetRun,
    Costs,
    Line,
    Mean,
    find_saturation,
    make_folds,
    make_rows,
    measure_budget,
    read_costs,
    read_folds,
)
from spacy_llama_ner.active.config import ConfigError
from spacy_llama_ner.llm.pricing import ExpertPrice, PriceError, PriceList
from tests.active.samples import make_config, make_gold, make_silver


@pytest.fixture
def config(overrides: dict[str, Any]) -> Any:
    return make_config(overrides, block="budget")


def test_each_training_has_a_file_and_is_done_once(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(measure_budget(config, read_folds(config), tmp_path))
    assert [run.name for run, _ in found[:4]] == ["mixed-0-0", "mixed-20-0", "mixed-50-0", "gold-100-0"]
    assert {path.stem for path in (tmp_path / "cells").iterdir()} == {run.name for run, _ in found}
    # of 20 sentences with both labels, 10 are left out
    assert [result["sentences"] for _, result in found[:4]] == [0, 2, 5, 10]
    assert all(0 <= result["ents_f"] <= 1 and result["words"] >= result["sentences"] for _, result in found)
    lost = tmp_path / "cells" / "mixed-50-1.json"
    before = lost.read_bytes()
    lost.unlink()
    trained = []
    whole = budget_module._train_and_score
    monkeypatch.setattr(
        budget_module, "_train_and_score", lambda *args: (trained.append(args[1].name), whole(*args))[1]
    )
    assert list(measure_budget(config, read_folds(config), tmp_path)) == found
    assert trained == ["mixed-50-1"]
    assert lost.read_bytes() == before


def test_a_share_of_no_sentence_is_refused(overrides: dict[str, Any], tmp_path: Path) -> None:
    config = make_config({**overrides, "budget.gold_shares": [0.01]}, block="budget")
    results = measure_budget(config, read_folds(config), tmp_path)
    with pytest.raises(ConfigError, match=r"0\.01 of 10 sentences is none"):
        list(results)
    assert srsly.read_json(tmp_path / "cells" / "mixed-0-0.json")["share"] == 0


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


COSTS = Costs(PriceList(Path("prices.yml"), "EUR", {}, ExpertPrice(minute=0.5, words_per_minute=10)), silver=3.0)


def result(f: float, words: int = 100, loss: float | None = 0.5) -> dict[str, Any]:
    return {"ents_f": f, "ents_token_acc": 0.9, "loss": loss, "sentences": words // 10, "words": words}


def row(share: float, f: float, spread: float = 0.0, line: Line = "mixed") -> BudgetRow:
    return BudgetRow(line, share, 4, 1, 10, Mean(f, spread), Mean(0.9, 0.0), None, None)


def test_a_row_is_the_mean_over_the_folds() -> None:
    results = [
        (BudgetRun("mixed", 0.0, 0), result(0.4, words=0)),
        (BudgetRun("mixed", 0.1, 0), result(0.5)),
        (BudgetRun("gold", 1.0, 0), result(0.9, words=1000)),
        (BudgetRun("mixed", 0.0, 1), result(0.6, words=0)),
        (BudgetRun("mixed", 0.1, 1), result(0.8, words=110, loss=None)),
        (BudgetRun("gold", 1.0, 1), result(0.9, words=1000)),
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
    found = find_saturation([*reversed(rows), row(1.0, 0.99, line="gold")])
    # one standard error of the best is 0.03 / sqrt(4)
    assert found is not None
    assert found.share == 0.2


def test_while_it_grows_nobody_knows() -> None:
    assert find_saturation([row(0.0, 0.4), row(0.1, 0.5), row(0.2, 0.6)]) is None


GOLD = make_gold(Vocab(), 20)
SILVER = make_silver(GOLD)


def texts(docs: list) -> list[str]:
    return [doc.text for doc in docs]


def test_each_sentence_is_left_out_once() -> None:
    folds = make_folds(SILVER, GOLD, folds=3, seed=0)
    assert sorted(text for fold in folds for text in texts(fold.held_out)) == sorted(texts(GOLD))
    for fold in folds:
        assert not set(texts(fold.gold)) & set(texts(fold.held_out))
        assert len(fold.gold) + len(fold.held_out) == 20
        assert texts(fold.gold) == texts(fold.silver)


def test_a_greater_share_has_what_a_smaller_one_has() -> None:
    (fold, _) = make_folds(SILVER, GOLD, folds=2, seed=0)
    few, rest = fold.mixed(0.2)
    many, _ = fold.mixed(0.5)
    assert (len(few), len(rest), len(many)) == (2, 8, 5)
    assert texts(many)[:2] == texts(few)
    assert not set(texts(few)) & set(texts(rest))
    assert fold.mixed(0.0)[0] == []
    assert fold.mixed(1.0) == (fold.gold, [])


def test_seeds_draw_and_repeat() -> None:
    first, again, other = (make_folds(SILVER, GOLD, folds=2, seed=seed) for seed in (0, 0, 1))
    assert texts(first[0].gold) == texts(again[0].gold) != texts(other[0].gold)


def test_sentences_without_a_counterpart_are_left_out() -> None:
    folds = make_folds(SILVER, GOLD[:7], folds=2, seed=0)
    assert sorted(text for fold in folds for text in texts(fold.held_out)) == sorted(texts(GOLD[:7]))
    with pytest.raises(ConfigError, match="1 of 20 silver sentences have gold labels too; 2 folds need more"):
        make_folds(SILVER, GOLD[:1], folds=2, seed=0)


def test_a_sentence_that_stands_twice_counts_once() -> None:
    gold = make_gold(Vocab(), 20)
    silver = make_silver(gold)
    folds = make_folds([*silver, *silver], gold, folds=4, seed=0)
    assert [len(fold.held_out) for fold in folds] == [5, 5, 5, 5]


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"shares": [0.0]}, {"gold_shares": [2.0]}, {"silver_weight": 0.0}])
def test_a_budget_needs_folds_and_shares(wrong: dict[str, Any]) -> None:
    given = {"silver": "a", "gold": "b", "shares": [0.1], "gold_shares": [], **wrong}
    with pytest.raises(ValueError, match="Expected are 2 folds or more"):
        Budget(**given)


def test_a_budget_is_measured_fold_by_fold_with_both_ends() -> None:
    budget = Budget("a", "b", shares=[0.2, 0.1], gold_shares=[0.1], folds=2)
    first = [(run.line, run.share) for run in budget.runs() if run.fold == 0]
    assert first == [("mixed", 0.0), ("mixed", 0.1), ("mixed", 0.2), ("gold", 0.1), ("gold", 1.0)]
    assert [run.fold for run in budget.runs()] == [0] * 5 + [1] * 5
    assert BudgetRun("mixed", 0.125, 3).name == "mixed-12.5-3"
