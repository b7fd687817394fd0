"""What a browser makes of the pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.browser import BROWSER, open_page
from tests.report.html_reader import read
from tests.report.pages import EVIL, evil_corpora, evil_report

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the path")


@pytest.mark.parametrize(
    ("page", "sections"),
    [
        (evil_report, ["scores", "curves", "confusion", "kinds", "length", "seen", "reliability", "sentences"]),
        (evil_corpora, ["splits", "entities", "pos", "chunks", "lengths", "overlap"]),
    ],
    ids=["pipeline", "corpus"],
)
def test_all_sections_are_there_and_nothing_is_asked_of_the_network(
    page: Callable[[], str], sections: list[str], tmp_path: Path
) -> None:
    dom, asked = open_page(page(), tmp_path)
    reader = read(dom)
    assert reader.sections == sections
    assert "svg" in {tag for tag, _ in reader.tags}
    assert "script" not in {tag for tag, _ in reader.tags}
    assert EVIL in "".join(reader.text)
    assert asked == []


def test_a_page_that_asks_would_be_caught(tmp_path: Path) -> None:
    _, asked = open_page('<p><img src="http://pixel.invalid/x.png"></p>', tmp_path)
    assert asked == ["http://pixel.invalid/x.png"]
