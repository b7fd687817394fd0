"""Price lists: what labels cost, a model's by its tokens and an expert's by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import srsly

from ..data.errors import LlamaNERError
from ..data.files import read_utf8
from .backends.local import LOCAL_PREFIX

MILLION = 1_000_000
EXAMPLE = """\
    currency: USD
    expert: {minute: 0.60, words_per_minute: 40}
    models:
      gpt-4o-mini: {input: 0.15, output: 0.60}"""


class PriceError(LlamaNERError):
    """A price list, or a price in it, that is missing or makes no sense."""


@dataclass(frozen=True)
class ModelPrice:
    """The price of a model.

    Attributes:
        input: Of a million tokens that it reads.
        output: Of a million tokens that it writes.
    """

    input: float
    output: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return the price of so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / MILLION


@dataclass(frozen=True)
class ExpertPrice:
    """The price of a person who labels.

    Attributes:
        minute: Of a minute of work.
        words_per_minute: How many words of text are labelled in a minute.
    """

    minute: float
    words_per_minute: float

    def cost(self, words: int) -> float:
        """Return the price of the labels for a text of so many words."""
        return words / self.words_per_minute * self.minute


@dataclass(frozen=True)
class PriceList:
    """Prices in one currency.

    Attributes:
        path: The file that they come from.
        currency: Its name, any word.
        models: Prices by the name of the model.
        expert: The price of an expert; None where the list has none.
    """

    path: Path
    currency: str
    models: Mapping[str, ModelPrice]
    expert: ExpertPrice | None

    def model_price(self, model: str) -> ModelPrice:
        """Look up the price of a model. One that runs in process costs nothing, unless it is listed.

        Args:
            model: Its name, as `Backend.model`.

        Returns:
            The price.

        Raises:
            PriceError: If it is not listed.
        """
        if model in self.models:
            return self.models[model]
        if model.startswith(LOCAL_PREFIX):
            return ModelPrice(0.0, 0.0)
        listed = ", ".join(self.models) or "no model at all"
        raise PriceError(
            f"{self.path} has no price for the model {model!r}; it lists {listed}. Add the price of a million tokens "
            f"under `models`:\n    {model}: {{input: 0.15, output: 0.60}}"
        )


def read_prices(path: Path) -> PriceList:
    """Read a price list, see assets/prices.yml.

    Args:
        path: YAML with `currency`, any word; `models`, which has for each name the price of a million tokens of
            `input` and of `output`; and, optionally, `expert` with the price of a `minute` and `words_per_minute`.

    Returns:
        The prices.

    Raises:
        PriceError: If there is no such file, or it holds anything else.
    """
    if not path.is_file():
        raise PriceError(f"There is no price list {path}. Make one:\n{EXAMPLE}")
    try:
        data = srsly.yaml_loads(read_utf8(path))
    except ValueError as error:
        raise PriceError(f"The price list {path} cannot be read: {error}") from error
    fields = _section(path, "the list", data, ("currency", "models"), optional=("expert",))
    models = fields["models"]
    if not isinstance(models, dict):
        raise _error(path, f"`models` is {models!r}, not prices by name")
    currency = fields["currency"]
    if not isinstance(currency, str) or not currency.strip():
        raise _error(path, f"`currency` is {currency!r}, not a word")
    expert = None
    if fields.get("expert") is not None:
        expert = ExpertPrice(**_numbers(path, "`expert`", fields["expert"], ("minute", "words_per_minute")))
        if not expert.words_per_minute:
            raise _error(path, "`expert` labels 0 words per minute")
    return PriceList(
        path=path,
        currency=currency.strip(),
        models={
            str(name): ModelPrice(**_numbers(path, f"`models` {name!r}", price, ("input", "output")))
            for name, price in models.items()
        },
        expert=expert,
    )


def _numbers(path: Path, where: str, given: object, names: tuple[str, ...]) -> dict[str, float]:
    numbers = _section(path, where, given, names)
    for name, number in numbers.items():
        if not isinstance(number, int | float) or isinstance(number, bool) or number < 0 or not isfinite(number):
            raise _error(path, f"{where} has {name} = {number!r}, not a number from 0 on")
    return {name: float(number) for name, number in numbers.items()}


def _section(
    path: Path, where: str, given: object, required: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _error(path, f"{where} is {given!r}, not {', '.join(required)} with a colon and a value each")
    if missing := [name for name in required if name not in given]:
        raise _error(path, f"{where} lacks {', '.join(missing)}")
    if unknown := [str(name) for name in given if name not in (*required, *optional)]:
        raise _error(path, f"{where} has {', '.join(unknown)}, which is not known")
    return given


def _error(path: Path, what: str) -> PriceError:
    return PriceError(f"The price list {path} makes no sense: {what}. Expected is something like\n{EXAMPLE}")
