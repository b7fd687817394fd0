"""What labels cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacy_llama_ner.llm.pricing import ExpertPrice, ModelPrice, PriceError, read_prices
from spacy_llama_ner.llm.runner import TokenPricing

ASSET = Path(__file__).parents[2] / "assets" / "prices.yml"
WHOLE = "currency: EUR\nexpert: {minute: 0.5, words_per_minute: 40}\nmodels:\n  gpt-4.1: {input: 2, output: 8.5}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.yml"


def test_a_price_list(path: Path) -> None:
    path.write_text(WHOLE, encoding="utf8")
    prices = read_prices(path)
    assert prices.currency == "EUR"
    assert prices.model_price("gpt-4.1") == ModelPrice(2.0, 8.5)
    assert prices.expert == ExpertPrice(0.5, 40.0)


def test_tokens_are_paid_by_the_million() -> None:
    price: TokenPricing = ModelPrice(input=2.0, output=8.0)
    assert price.cost(1_000_000, 0) == 2.0
    assert price.cost(250_000, 500_000) == 4.5
    assert price.cost(0, 0) == 0


def test_an_expert_is_paid_by_the_minute() -> None:
    assert ExpertPrice(minute=0.5, words_per_minute=40).cost(80) == 1.0


def test_a_list_without_an_expert(path: Path) -> None:
    path.write_text("currency: EUR\nmodels: {}\n", encoding="utf8")
    assert read_prices(path).expert is None


def test_what_answers_in_process_costs_nothing_unless_the_list_says_so(path: Path) -> None:
    path.write_text(WHOLE + "  local:big: {input: 1, output: 1}\n", encoding="utf8")
    prices = read_prices(path)
    assert prices.model_price("local:smollm2-135m").cost(10**6, 10**6) == 0
    assert prices.model_price("local:big").cost(10**6, 10**6) == 2


def test_an_unknown_model_is_named_with_what_to_add(path: Path) -> None:
    path.write_text(WHOLE, encoding="utf8")
    with pytest.raises(PriceError, match=r"no price for the model 'gpt-5'; it lists gpt-4\.1\..*\n +gpt-5: \{input"):
        read_prices(path).model_price("gpt-5")


def test_the_list_that_comes_with_the_project() -> None:
    prices = read_prices(ASSET)
    assert prices.models and prices.expert


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the list is None, not currency, models"),
        ("- 1", r"the list is \[1\], not currency, models"),
        ("currency: EUR", "the list lacks models"),
        ("currency: 3\nmodels: {}", "`currency` is 3, not a word"),
        ("currency: EUR\nmodels: [gpt]", r"`models` is \['gpt'\], not prices by name"),
        ("currency: EUR\nmodels: {}\nexperts: {}", "the list has experts, which is not known"),
        ("currency: EUR\nmodels: {gpt: 3}", "`models` 'gpt' is 3, not input, output with a colon"),
        ("currency: EUR\nmodels: {gpt: {input: 3}}", "`models` 'gpt' lacks output"),
        ("currency: EUR\nmodels: {gpt: {input: 3, output: -1}}", "output = -1, not a number from 0 on"),
        ("currency: EUR\nmodels: {gpt: {input: 3, output: .inf}}", "output = inf, not a number"),
        ("currency: EUR\nmodels: {gpt: {input: .nan, output: 1}}", "input = nan, not a number"),
        ("currency: EUR\nmodels: {gpt: {input: '3', output: 1}}", "input = '3', not a number"),
        ("currency: EUR\nmodels: {gpt: {input: true, output: 1}}", "input = True, not a number"),
        ("currency: EUR\nmodels: {}\nexpert: {minute: 1}", "`expert` lacks words_per_minute"),
        ("currency: EUR\nmodels: {}\nexpert: {minute: 1, words_per_minute: 0}", "labels 0 words per minute"),
        ("currency: [", "cannot be read: Invalid YAML"),
        ("a: 1\na: 2", "cannot be read: Invalid YAML.*duplicate key"),
    ],
)
def test_what_makes_no_sense_is_said(path: Path, content: str, said: str) -> None:
    path.write_text(content, encoding="utf8")
    with pytest.raises(PriceError, match=f"(?s)prices.yml .*{said}"):
        read_prices(path)


def test_what_is_not_there_or_no_text(path: Path) -> None:
    with pytest.raises(PriceError, match="There is no price list .*prices.yml. Make one:\n    currency: USD"):
        read_prices(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PriceError, match="is not UTF-8"):
        read_prices(path)
