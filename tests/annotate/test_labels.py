"""Labels are named on the command line or described in a config."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.annotate.labels import LabelError, read_labels


def test_names_or_a_config_with_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "labels.cfg"
    path.write_text('[labels]\nDish = "what one can order"\nPLACE = ""\nwork-of-art = null\n', encoding="utf8")
    assert read_labels("Dish, PLACE,work-of-art") == {"Dish": "", "PLACE": "", "work-of-art": ""}
    assert read_labels(str(path)) == {"Dish": "what one can order", "PLACE": "", "work-of-art": ""}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (" , ", "There are no labels"),
        ("NAME,Name", "differ in case alone"),
        ("FIRST NAME", "cannot be a label"),
        ("NAME(S)", "cannot be a label"),
        ("no.cfg", "cannot be read"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(given: str, problem: str) -> None:
    with pytest.raises(LabelError, match=problem):
        read_labels(given)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("[generate]\ncount = 3\n", r"has no section \[labels\]"),
        ("[labels]\nNAME = 3\n", "The description of NAME is no text"),
        ("[labels]\n", "There are no labels"),
        ("NAME\n", "cannot be read"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path: Path, config: str, problem: str) -> None:
    path = tmp_path / "labels.cfg"
    path.write_text(config, encoding="utf8")
    with pytest.raises(LabelError, match=problem):
        read_labels(str(path))
