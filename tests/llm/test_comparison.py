"""Which variant is the best, what variants are called, and what they cost beside an expert."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.llm.comparison import CostFormatter, Variant, VariantResult, find_best_variants, short_names
from spacy_llama_ner.llm.pricing import ExpertPrice, PriceList


def result(
    f: float, *, cost: float | None = 1.0, low: float = 0.0, tokens: int = 100, name: str = "p"
) -> VariantResult:
    return VariantResult(
        variant=Variant(name, "none", "m"),
        p=f,
        r=f,
        f=f,
        low=low,
        high=1.0,
        per_type={"NAME": {"p": f, "r": f, "f": f}},
        texts=10,
        lost=1,
        replies=12,
        rejected={"another text": 3},
        seconds=20.0,
        input_tokens=tokens,
        output_tokens=0,
        cost=cost,
    )


def test_the_best_for_its_cost_is_the_cheapest_near_the_best() -> None:
    best, cheap, poor = result(0.9, cost=5, low=0.8), result(0.82, cost=1), result(0.5, cost=0.1)
    found = find_best_variants([poor, cheap, best])
    assert found is not None and (found.by_f1, found.for_cost) == (best, cheap)


def test_among_equals_the_cheapest_has_the_highest_f1() -> None:
    dear, cheap = result(0.9, cost=5), result(0.9, cost=1)
    found = find_best_variants([dear, cheap])
    assert found is not None and found.by_f1 is cheap is found.for_cost


@pytest.mark.parametrize("cost", [None, 0.0])
def test_where_nothing_costs_anything_tokens_do(cost: float | None) -> None:
    wordy, brief = result(0.9, cost=cost, tokens=500, low=0.8), result(0.85, cost=cost, tokens=50)
    found = find_best_variants([wordy, brief])
    assert found is not None and (found.by_f1, found.for_cost) == (wordy, brief)


def test_nothing_right_is_not_the_best() -> None:
    assert find_best_variants([result(0.0)]) is None
    assert find_best_variants([]) is None


@pytest.mark.parametrize(
    ("variants", "names"),
    [
        ([("p", "none", "m"), ("p", "words", "m")], ["zero-shot", "words"]),
        ([("p", "none", "m"), ("q", "none", "n")], ["p, m", "q, n"]),
        ([("p", "none", "m")], ["p"]),
    ],
)
def test_a_name_has_the_parts_that_differ(variants: list[tuple[str, str, str]], names: list[str]) -> None:
    assert short_names([Variant(*each) for each in variants]) == names


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (2.0, "m took EUR 2.00 (F1 50.0); an expert takes EUR 5.00 (10 minutes), 2.5 times as much."),
        (20.0, "m took EUR 20.00 (F1 50.0); an expert takes EUR 5.00 (10 minutes), 4.0 times less."),
        (0.0, "m took EUR 0.00 (F1 50.0); an expert takes EUR 5.00 (10 minutes)."),
        (0.0123, "m took EUR 0.012 (F1 50.0); an expert takes EUR 5.00 (10 minutes), 406.5 times as much."),
    ],
)
def test_the_model_against_the_expert_is_a_figure(cost: float, said: str) -> None:
    costs = CostFormatter(PriceList(Path("p.yml"), "EUR", {}, ExpertPrice(minute=0.5, words_per_minute=40)))
    told = costs.compare_with_expert(result(0.5, cost=cost), words=400)
    assert told == f"For these 10 texts (400 words) {said}"


def test_without_an_expert_there_is_nothing_beside() -> None:
    assert (
        CostFormatter(PriceList(Path("p.yml"), "EUR", {}, None)).compare_with_expert(result(0.5), words=400) is None
    )
    assert CostFormatter(None).compare_with_expert(result(0.5, cost=None), words=400) is None
