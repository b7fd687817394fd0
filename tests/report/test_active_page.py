"""Pages and charts of both experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from spacy_llama_ner.active.budget import BudgetRow, Costs, Mean
from spacy_llama_ner.report.active_page import write_budget, write_history
from tests.active.test_budget import COSTS


def line(number: int, f: float) -> dict[str, Any]:
    return {
        "round": number,
        "gold": {"sentences": 10 * number, "words": 120 * number},
        "silver": {"sentences": 30, "dropped": 0, "masked_words": 4},
        "dev": {"ents_p": f, "ents_r": f, "ents_f": f, "ents_token_acc": 0.9},
    }


def test_the_history_shows_each_round_its_price_and_the_best(tmp_path: Path) -> None:
    history = [line(0, 0.5), line(1, 0.7), line(2, 0.65)]
    write_history(tmp_path, history, best=1, reason="the budget is spent", costs=COSTS)
    page = (tmp_path / "history.html").read_text(encoding="utf8")
    assert "The best round is 1 (ringed). Stopped: the budget is spent." in page
    assert "F1 against words of gold" in page and "F1 against cost, EUR" in page
    # 120 words at 10 a minute, half a euro each, beside 3 for silver
    assert "<td>9.00</td>" in page
    # so too where the first round has left silver aside
    history[0]["silver"] |= {"sentences": 0, "dropped": 30}
    write_history(tmp_path, history, best=1, reason="", costs=COSTS)
    assert "<td>9.00</td>" in (tmp_path / "history.html").read_text(encoding="utf8")
    write_history(tmp_path, history, best=1, reason="", costs=Costs(None, 0.0))
    assert "cost" not in (tmp_path / "history.html").read_text(encoding="utf8").split("<h2>F1</h2>")[1].lower()


def row(line: str, share: float, f: float) -> BudgetRow:
    return BudgetRow(line, share, 5, 100 * share, 900 * share, Mean(f, 0.02), Mean(0.9, 0.01), None, None)  # type: ignore[arg-type]


ROWS = [row("mixed", 0.0, 0.4), row("mixed", 0.1, 0.7), row("mixed", 0.2, 0.71)]
ROWS += [row("gold", 0.1, 0.6), row("gold", 1.0, 0.9)]


def test_the_budget_is_drawn_with_its_two_levels_and_where_it_is_enough(tmp_path: Path) -> None:
    write_budget(tmp_path, ROWS, saturated=ROWS[1], costs=Costs(None, 0.0))
    page = (tmp_path / "budget.html").read_text(encoding="utf8")
    assert "From 10% on (ringed)" in page
    assert "70.00 ± 2.00" in page
    for name in ("words of gold", "examples with gold labels"):
        assert f"F1 against {name}" in page
    for name in ("silver alone", "gold alone, all sentences", "silver and gold", "gold alone"):
        assert f">{name}</text>" in page
    write_budget(tmp_path, ROWS, saturated=None, costs=Costs(None, 0.0))
    assert "More gold than was tried may bring more." in (tmp_path / "budget.html").read_text(encoding="utf8")


def test_the_picture_stands_alone(tmp_path: Path) -> None:
    write_budget(tmp_path, ROWS, saturated=ROWS[1], costs=Costs(None, 0.0))
    root = ElementTree.parse(tmp_path / "budget.svg").getroot()
    drawn = [node.attrib.get("class") for node in root.iter()]
    assert drawn.count("point") == 4
    assert drawn.count("spread") == 4
    assert drawn.count("ring") == 1
    # gold labels for all sentences are a level, to which the axis does not reach
    ticks = [node.text for node in root.iter() if node.attrib.get("class") == "x"]
    assert ticks[0] == "0" and ticks[-2] == "200"
