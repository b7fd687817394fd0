"""What texts are to be made: a config with the sections `[labels]` and `[generate]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .labels import SECTION, LabelError, labels_of, read_config

GENERATE = "generate"
LENGTHS = ("one short sentence", "one or two sentences", "three to five sentences")
FORMS = (
    "a plain statement",
    "a question or a request",
    "a chat message, typed in haste, with little punctuation",
    "a polite e-mail",
    "a note or an entry of a list",
    "spoken words, written down",
)


class RecipeError(LabelError):
    """A config that texts cannot be made from."""


@dataclass(frozen=True)
class Recipe:
    """The section `[generate]`; every setting has a default.

    labels: descriptions, which may be empty, by label: the section `[labels]`.
    count: how many records are wanted.
    domain: what the texts are about; style: how they are written. Both in plain words.
    language: whose tokenizer cuts the texts, and in which the model is asked to write (`nlp.lang`).
    dev: share of the records for the dev split.
    negatives: share of the texts that are to have no entity at all.
    batch: how many texts one question asks for.
    topics: what the texts take turns at; where none are given, the model is asked for 24.
    lengths, forms: what the texts take turns at besides.
    temperature: of the model.
    seed: of all choices.
    """

    labels: Mapping[str, str]
    count: int = 200
    domain: str = ""
    style: str = ""
    language: str = "en"
    dev: float = 0.1
    negatives: float = 0.15
    batch: int = 8
    topics: tuple[str, ...] = ()
    lengths: tuple[str, ...] = LENGTHS
    forms: tuple[str, ...] = FORMS
    temperature: float = 1.0
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    """The recipe in a config file. Raises: LabelError where it cannot be read or something in it does not fit."""
    config = read_config(path)
    section = config.get(GENERATE, {})
    known = {field.name: field.default for field in fields(Recipe) if field.name != SECTION}
    for name, value in [(name, None) for name in config if name not in (SECTION, GENERATE)] + list(section.items()):
        if name not in known:
            raise RecipeError(f"The config {path} has {name!r}, which is not known. Known are: {', '.join(known)}.")
        _check(name, value, known[name])
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in section.items()
    }
    return Recipe(labels=labels_of(config), **chosen)


def _check(name: str, value: Any, default: Any) -> None:
    share = name in ("dev", "negatives")
    match default:
        case tuple():
            fits = isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
            fits, expected = fits and bool(value or not default), 'a list such as ["one", "another"]'
        case str():
            fits, expected = isinstance(value, str), "a text in double quotes"
        case float():
            fits = isinstance(value, int | float) and 0 <= value <= (0.9 if share else 2)
            expected = "a number from 0 to " + ("0.9" if share else "2")
        case _:
            least = 0 if name == "seed" else 1
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
            expected = f"a whole number from {least} on"
    if not fits:
        raise RecipeError(f"`{name}` in [{GENERATE}] is {value!r}; expected is {expected}.")
