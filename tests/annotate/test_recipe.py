"""A recipe is a small config, in which every mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.annotate.labels import LabelError
from spacy_llama_ner.annotate.recipe import Recipe, read_recipe

CONFIG = """
[labels]
DISH = "what one can order"
DRINK = ""

[generate]
count = 40
domain = "orders in a restaurant"
dev = 0.2
topics = ["lunch", "a complaint"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.cfg"
    path.write_text(text, encoding="utf8")
    return path


def test_what_is_not_given_has_a_default(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, CONFIG))
    assert recipe == Recipe(
        labels={"DISH": "what one can order", "DRINK": ""},
        count=40,
        domain="orders in a restaurant",
        dev=0.2,
        topics=("lunch", "a complaint"),
    )
    assert read_recipe(write(tmp_path, "[labels]\nDISH = null\n")) == Recipe(labels={"DISH": ""})


def test_the_recipe_in_the_readme_is_one(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf8")
    recipe = read_recipe(write(tmp_path, readme.split("```ini\n")[1].split("```")[0]))
    assert list(recipe.labels) == ["DISH", "GUEST", "TIME"]
    assert (recipe.count, recipe.domain) == (400, "phone calls to a restaurant")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("count = 0", "`count` in .* is 0; expected is a whole number from 1 on"),
        ("count = 2.5", "expected is a whole number"),
        ("batch = true", "expected is a whole number"),
        ("dev = 1.0", "expected is a number from 0 to 0.9"),
        ("temperature = -1", "expected is a number from 0 to 2"),
        ('topics = "lunch"', "expected is a list"),
        ("forms = []", "expected is a list"),
        ('topics = [""]', "expected is a list"),
        ("domain = 3", "expected is a text"),
        ("number = 3", "has 'number', which is not known. Known are: count, domain"),
        ('labels = "DISH"', "has 'labels', which is not known"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(LabelError, match=problem):
        read_recipe(write(tmp_path, f"[labels]\nDISH = null\n\n[generate]\n{line}\n"))


def test_a_section_that_is_not_known_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="has 'generat', which is not known"):
        read_recipe(write(tmp_path, "[labels]\nDISH = null\n\n[generat]\ncount = 3\n"))
