"""What labels cost: a model's by its tokens, an expert's by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import srsly

from ..data.errors import LlamaNERError
from ..data.files import read_utf8
from .backends.local import LOCAL

MILLION = 1_000_000
EXAMPLE = """\
    currency: USD
    expert: {minute: 0.60, words_per_minute: 40}
    models:
      gpt-4o-mini: {input: 0.15, output: 0.60}"""


class PriceError(LlamaNERError):
    """A price that is not there or makes no sense."""


@dataclass(frozen=True)
class ModelPrice:
    """What a model takes for a million tokens that it reads, and for a million that it writes."""

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The price of so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


@dataclass(frozen=True)
class Expert:
    """What a person takes for a minute, and how many words of text they label in it."""

    minute: float
    words_per_minute: float

    def cost(self, words: int) -> float:
        """The price of labels for a text of so many words."""
        return words / self.words_per_minute * self.minute


@dataclass(frozen=True)
class PriceList:
    """Prices in one currency, as `read_prices` reads them.

    path: where they come from.
    expert: None where the list has none.
    """

    path: Path
    currency: str
    models: Mapping[str, ModelPrice]
    expert: Expert | None

    def of(self, model: str) -> ModelPrice:
        """The price of a model. One that answers in process costs nothing, unless it is listed.

        Raises: PriceError where it is not listed.
        """
        if model in self.models:
            return self.models[model]
        if model.startswith(LOCAL):
            return ModelPrice(0.0, 0.0)
        listed = ", ".join(self.models) or "no model at all"
        raise PriceError(
            f"{self.path} has no price for the model {model!r}; it lists {listed}. Add the price of a million tokens "
            f"under `models`:\n    {model}: {{input: 0.15, output: 0.60}}"
        )


def read_prices(path: Path) -> PriceList:
    """A price list: YAML with `currency`, `models` and, if you like, `expert`.

    `models` gives for each name the price of a million tokens of input and of output; `expert` the price of a minute,
    and how many words of text are labelled in it. `currency` is any word. See assets/prices.yml.

    Raises: PriceError where the file is not there or says anything else.
    """
    if not path.is_file():
        raise PriceError(f"There is no price list {path}. Make one:\n{EXAMPLE}")
    try:
        data = srsly.yaml_loads(read_utf8(path))
    except ValueError as error:
        raise PriceError(f"The price list {path} cannot be read: {error}") from error
    fields = _section(path, "the list", data, ("currency", "models"), ("expert",))
    models = fields["models"]
    if not isinstance(models, dict):
        raise _wrong(path, f"`models` is {models!r}, not prices by name")
    currency = fields["currency"]
    if not isinstance(currency, str) or not currency.strip():
        raise _wrong(path, f"`currency` is {currency!r}, not a word")
    expert = fields.get("expert")
    return PriceList(
        path=path,
        currency=currency.strip(),
        models={
            str(name): ModelPrice(**_numbers(path, f"`models` {name!r}", price, ("input", "output")))
            for name, price in models.items()
        },
        expert=None if expert is None else _expert(path, expert),
    )


def _expert(path: Path, given: object) -> Expert:
    expert = Expert(**_numbers(path, "`expert`", given, ("minute", "words_per_minute")))
    if not expert.words_per_minute:
        raise _wrong(path, "`expert` labels 0 words per minute")
    return expert


def _numbers(path: Path, where: str, given: object, names: tuple[str, ...]) -> dict[str, float]:
    numbers = _section(path, where, given, names)
    for name, number in numbers.items():
        if not isinstance(number, int | float) or isinstance(number, bool) or number < 0 or not isfinite(number):
            raise _wrong(path, f"{where} has {name} = {number!r}, not a number from 0 on")
    return {name: float(number) for name, number in numbers.items()}


def _section(
    path: Path, where: str, given: object, needed: tuple[str, ...], may: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(path, f"{where} is {given!r}, not {', '.join(needed)} with a colon and a value each")
    if missing := [name for name in needed if name not in given]:
        raise _wrong(path, f"{where} lacks {', '.join(missing)}")
    if unknown := [str(name) for name in given if name not in (*needed, *may)]:
        raise _wrong(path, f"{where} has {', '.join(unknown)}, which means nothing here")
    return given


def _wrong(path: Path, what: str) -> PriceError:
    return PriceError(f"The price list {path} makes no sense: {what}. Expected is something like\n{EXAMPLE}")
