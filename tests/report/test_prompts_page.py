"""The page about variants of a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.llm.comparison import CostFormatter, find_best_variants
from spacy_llama_ner.llm.pricing import ExpertPrice, PriceList
from spacy_llama_ner.report.prompts_page import render_prompt_comparison
from tests.llm.test_comparison import result
from tests.report.html_reader import read
from tests.report.pages import EVIL


@pytest.mark.parametrize(
    "costs", [CostFormatter(None), CostFormatter(PriceList(Path("p.yml"), EVIL, {}, ExpertPrice(1, 1)))]
)
@pytest.mark.parametrize("cost", [None, 0.0, 3.0])
def test_a_page_of_any_results(costs: CostFormatter, cost: float | None) -> None:
    for results in ([result(0.0, cost=cost)], [result(0.5, cost=cost, name=EVIL), result(0.25, cost=cost)]):
        page = render_prompt_comparison(results, find_best_variants(results), title=EVIL, words=40, costs=costs)
        shown = read(page)
        assert EVIL in shown.shown
        assert "script" not in {tag for tag, _ in shown.tags}
        assert ("spread" in shown.sections) == (len(results) > 1)
        assert "another text: 3" in shown.shown
