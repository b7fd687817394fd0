"""`compare-prompts`: what is measured, logged and shown, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import fails, flat, run, succeeds
from tests.evaluate.sample import write_corpus
from tests.llm.bases import build_chat_llama
from tests.llm.server import ScriptedServer
from tests.report.html_reader import read

GOLD = [
    ("Call Ida Holm on Friday.", [("Ida Holm", "NAME"), ("Friday", "DATE")]),
    ("please wake Tomas at noon!", [("Tomas", "NAME")]),
    ("is it going to rain?", []),
    ("Ida paid on Monday.", [("Ida", "NAME"), ("Monday", "DATE")]),
]
POOL = [
    ("Call Omar Berg on Sunday.", [("Omar Berg", "NAME"), ("Sunday", "DATE")]),
    ("is it late?", []),
    ("Lena paid.", [("Lena", "NAME")]),
]
# entities by text, for all who ask; "Friday" is missed
RIGHT = {"Ida Holm": "NAME", "Tomas": "NAME", "Ida": "NAME", "Monday": "DATE"}
PRICES = """\
currency: EUR
expert: {minute: 1, words_per_minute: 10}
models:
  big: {input: 100, output: 200}
  small: {input: 1, output: 2}
"""


def in_brackets(text: str) -> str:
    return re.sub("|".join(RIGHT), lambda found: f"[{found[0]}]({RIGHT[found[0]]})", text)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "gold.spacy", GOLD)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "pool.spacy", POOL)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    (tmp_path / "prices.yml").write_text(PRICES, encoding="utf8")
    return tmp_path / "prices.yml"


def on(server: ScriptedServer, *models: str) -> list[str]:
    """Options that ask models of a server with the first of the prompts."""
    return ["--prompt", "brackets", "--base-url", server.url, *(part for name in models for part in ("-m", name))]


def figures(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "comparison.json").read_text(encoding="utf8"))
    return found


def test_models_and_prompts_are_measured_on_the_same_texts(gold: Path, prices: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    args = ["--model", "big", "--model", "small", "--prompt", "brackets", "--prompt", "words", "--prices", prices]
    with ScriptedServer(answer=in_brackets) as server:
        said = succeeds("compare-prompts", gold, output, *args, "--base-url", server.url)
    found = figures(output)
    assert (found["texts"], found["words"], found["labels"]) == (4, 23, ["DATE", "NAME"])
    assert found["currency"] == "EUR"
    assert found["expert_cost"] == pytest.approx(2.3)
    rows = found["results"]
    assert [(row["model"], row["prompt"]) for row in rows] == [
        ("big", "brackets"), ("big", "words"), ("small", "brackets"), ("small", "words"),
    ]  # fmt: skip
    big, words = rows[:2]
    assert (big["p"], big["r"], big["f"]) == pytest.approx((1, 4 / 5, 8 / 9))
    assert big["low"] <= big["f"] <= big["high"]
    assert big["per_type"]["NAME"]["f"] == 1
    assert big["per_type"]["DATE"]["r"] == 0.5
    assert (big["lost"], big["replies"], big["rejected"], big["unusable"]) == (0, 4, {}, 0)
    assert big["cost"] == pytest.approx((100 * big["input_tokens"] + 200 * big["output_tokens"]) / 10**6)
    # brackets are no JSON
    assert (words["f"], words["lost"], words["unusable"]) == (0, 4, 1)
    assert sum(words["rejected"].values()) == words["replies"] == 12
    assert found["best"]["f1"] == {"prompt": "brackets", "examples": "none", "model": "small"}
    assert "Highest F1: brackets, small F1 88.89" in said
    assert "an expert takes EUR 2.30 (2 minutes), " in said


def test_the_page_shows_all_of_it_without_a_network(gold: Path, prices: Path, tmp_path: Path) -> None:
    with ScriptedServer(answer=in_brackets) as server:
        succeeds("compare-prompts", gold, tmp_path, *on(server, "big", "small"), "--prices", prices)
    page = (tmp_path / "comparison.html").read_text(encoding="utf8")
    shown = read(page)
    assert shown.sections == ["best", "variants", "scores", "costs", "spread"]
    for said in ("Highest F1 small 88.89", "Cost of a thousand texts, EUR", "Unusable replies, %", "NAME", "DATE"):
        assert said in shown.shown
    assert "http" not in page.replace("http-equiv", "")


def test_zero_shot_fixed_and_similar_examples_are_compared(gold: Path, pool: Path, tmp_path: Path) -> None:
    with ScriptedServer(answer=in_brackets) as server:
        succeeds("compare-prompts", gold, tmp_path / "out", *on(server, "m"), "--examples", pool, "--shots", 1)
    rows = figures(tmp_path / "out")["results"]
    assert [row["examples"] for row in rows] == ["none", "fixed", "words"]
    assert rows[0]["input_tokens"] < rows[2]["input_tokens"]
    asked = [[turn["content"] for turn in body["messages"] if turn["role"] == "user"] for body in server.bodies]
    shown = {(turns[-1], turns[-2]) for turns in asked if len(turns) > 1}
    assert (GOLD[3][0], "Lena paid.") in shown
    assert (GOLD[0][0], "Call Omar Berg on Sunday.") in shown


def test_a_run_that_was_stopped_asks_nothing_twice_and_ends_the_same(
    gold: Path, pool: Path, prices: Path, tmp_path: Path
) -> None:
    args = ["-m", "big", "-m", "small", "--prompt", "brackets", "--prompt", "words", "--examples", pool]
    args += ["--concurrency", "1", "--prices", prices, "--attempts", "2"]
    output = tmp_path / "out"

    def limited(body: dict[str, Any]) -> tuple[int, str] | None:
        return (401, "no more") if len(server.bodies) > 21 else None

    with ScriptedServer(answer=in_brackets, refuse=limited) as server:
        assert "no more" in fails("compare-prompts", gold, output, *args, "--base-url", server.url)
        assert not (output / "comparison.json").exists()
        paid = (output / "replies.jsonl").read_text(encoding="utf8").splitlines()
        assert len(paid) == 21
    with ScriptedServer(answer=in_brackets) as server:
        succeeds("compare-prompts", gold, output, *args, "--base-url", server.url)
        first = {name: (output / name).read_bytes() for name in ("comparison.json", "comparison.html")}
        assert (output / "replies.jsonl").read_text(encoding="utf8").splitlines()[:21] == paid
        n_asked = len(server.bodies)
        rows = figures(output)["results"]
        assert n_asked + 21 == len((output / "replies.jsonl").read_text(encoding="utf8").splitlines())
        succeeds("compare-prompts", gold, output, *args, "--base-url", server.url)
        assert len(server.bodies) == n_asked
    assert {name: (output / name).read_bytes() for name in first} == first
    assert sum(row["replies"] for row in rows) == n_asked + 21


def test_a_base_in_process_is_one_of_the_models(gold: Path, prices: Path, tmp_path: Path) -> None:
    base = build_chat_llama(tmp_path / "base")
    with ScriptedServer(answer=in_brackets) as server:
        options = ["--limit", 2, "--prices", prices, "--attempts", 1, "--labels", "NAME"]
        succeeds("compare-prompts", gold, tmp_path / "out", *on(server, "small", f"local:{base}"), *options)
        assert all(body["model"] == "small" for body in server.bodies)
    served, local = figures(tmp_path / "out")["results"]
    assert (local["model"], local["texts"], local["cost"]) == (f"local:{base}", 2, 0)
    assert local["output_tokens"] > 0 < served["cost"]
    assert set(served["per_type"]) == {"NAME"}


def test_a_sample_has_entities_and_is_the_same_each_time(gold: Path, tmp_path: Path) -> None:
    with ScriptedServer(answer=in_brackets) as server:
        for name in ("a", "b"):
            succeeds("compare-prompts", gold, tmp_path / name, *on(server, "m"), "--limit", 2)
    texts = [body["messages"][-1]["content"] for body in server.bodies]
    assert len(texts) == 4 and set(texts[:2]) == set(texts[2:])


def test_where_nothing_right_is_found_none_is_the_best(gold: Path, tmp_path: Path) -> None:
    with ScriptedServer(answer=lambda text: text) as server:
        said = succeeds(
            "compare-prompts", gold, tmp_path / "out", "-m", "m", "--prompt", "brackets", "--base-url", server.url
        )
    assert "none is the best" in said
    assert figures(tmp_path / "out")["best"] is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere.spacy", "out", "-m", "m"], "The corpus nowhere.spacy does not exist"),
        (["bare.spacy", "out", "-m", "m"], "There are no labels"),
        (["bare.spacy", "out", "-m", "m", "--labels", "NAME"], "has no entity with one of the labels NAME"),
        (["gold.spacy", "out", "-m", "m", "--labels", "PLANT"], "has no entity with one of the labels PLANT"),
        (["gold.spacy", "out", "-m", "m", "--prompt", "haiku"], "There is no prompt 'haiku'"),
        (["gold.spacy", "out", "-m", "m", "--choose", "words"], "--choose words needs gold docs"),
        (["gold.spacy", "out", "-m", "m", "--examples", "pool.spacy", "--choose", "luck"], "by 'luck'. Give fixed"),
        (["gold.spacy", "out", "-m", "m", "--examples", "bare.spacy"], "The examples (1 docs) have no entity"),
        (
            ["gold.spacy", "out", "-m", "m", "--prices", "prices.yml"],
            "no price for the model 'm'; it lists big, small",
        ),
        (["gold.spacy", "out", "-m", "big", "--prices", "nowhere.yml"], "There is no price list nowhere.yml"),
        (["gold.spacy", "out", "-m", "no-such-base", "--base-url", "local"], "There is no base 'no-such-base'"),
        (["gold.spacy", "out", "-m", "m", "--base-url", "http://127.0.0.1:9/v1"], "There is no server at"),
        (["gold.spacy", "gold.spacy", "-m", "m"], "is a file"),
    ],
)
def test_what_cannot_be_compared_is_said(
    args: list[str], said: str, gold: Path, pool: Path, prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "bare.spacy", [("Is it late?", [])])
    monkeypatch.chdir(tmp_path)
    result = run("compare-prompts", *args)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert said in flat(result)
    assert not (tmp_path / "out" / "comparison.json").exists()


def test_a_server_that_answers_nothing_is_no_result(gold: Path, tmp_path: Path) -> None:
    with ScriptedServer(refuse=lambda body: (400, "context too long")) as server:
        args = [gold, tmp_path / "out", *on(server, "m")]
        assert "4 of 4 texts got no reply, more than --max-failed 0.05" in fails("compare-prompts", *args)
        assert "context too long" in (tmp_path / "out" / "comparison.html").read_text("utf8")
        succeeds("compare-prompts", *args, "--max-failed", 1)
