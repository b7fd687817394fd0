"""The page about two pipelines."""

from __future__ import annotations

from spacy_llama_ner.evaluate.matching import Tally
from spacy_llama_ner.evaluate.significance import Difference
from spacy_llama_ner.report import render_difference
from tests.report.html_reader import read
from tests.report.pages import EVIL

ROWS = [
    Difference(None, Tally(2, 4, 4), Tally(3, 4, 4), (-0.5, 0.1)),
    Difference(EVIL, Tally(0, 0, 0), Tally(0, 2, 0), None),
]


def test_a_table_for_each_data_set() -> None:
    page = read(render_difference({"dev": ROWS, EVIL: ROWS[:1]}, names=("silver", EVIL), title=EVIL))
    assert page.sections == ["data-1", "data-2"]
    assert "all 50.00 50.00 50.00 75.00 75.00 75.00 -25.00 -50.00 to +10.00 4" in page.shown
    assert f"{EVIL} - - - 0.00 - 0.00 - - 0" in page.shown
    assert f"silver beside {EVIL}" in page.shown
    assert "script" not in {tag for tag, _ in page.tags}
