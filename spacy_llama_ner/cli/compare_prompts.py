"""`python -m spacy llama-ner compare-prompts`: which prompt, examples and model to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import srsly
from typer import Argument, Option
from wasabi import msg

from ..data.files import atomic_write
from ..evaluate.predict import percent
from ..llm.backends.open import backend_name
from ..llm.backends.openai import KEY_VARIABLE
from ..llm.comparison import (
    HEADER,
    N_NAMES,
    NONE,
    TYPE_HEADER,
    Best,
    ComparisonPlan,
    Money,
    VariantResult,
    find_best,
    make_plan,
    result_rows,
    short_names,
    show_interval,
    type_rows,
)
from ..llm.examples import FIXED, WAYS, WORDS
from ..llm.labelling import check_labels, read_labels
from ..llm.pricing import read_prices
from ..llm.prompts import prompt_names
from ..llm.runner import Progress
from ..report.prompts_page import render_comparison
from . import llm as options
from .app import app, read_corpus
from .llm import Asking, open_run


@app.command("compare-prompts")
def compare_prompts_cli(
    gold: Annotated[Path, Argument(help="Gold data: a .spacy file or a folder of them")],
    output: Annotated[
        Path, Argument(help="Folder for comparison.json, comparison.html and replies", file_okay=False)
    ],
    model: Annotated[list[str], Option("--model", "-m", help="Model; give it again for more, local:NAME in process")],
    prompt: Annotated[
        list[str] | None,
        Option(help=f"A .jinja file, or one of {', '.join(prompt_names())}; again for more [these]"),
    ] = None,
    choose: Annotated[
        list[str] | None,
        Option(help=f"How examples are chosen: {NONE}, {WAYS}; again for more [{NONE}, {FIXED}, {WORDS}]"),
    ] = None,
    examples: Annotated[Path | None, Option(help="Gold docs to take examples from; none are shown without")] = None,
    shots: options.Shots = 5,
    labels: Annotated[
        str | None, Option(help="Labels with commas between, or a .cfg file with a section [labels] [all of GOLD]")
    ] = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Texts to ask about: a stratified sample")] = 100,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = KEY_VARIABLE,
    timeout: options.Timeout = 120.0,
    concurrency: options.Concurrency = 8,
    attempts: options.Attempts = 3,
    retries: options.Retries = 6,
    max_tokens: options.MaxTokens = None,
    max_failed: options.MaxUnanswered = 0.05,
    prices: options.Prices = None,
) -> None:
    """Ask with each prompt, each choice of examples and each model about the same gold texts, and name the best.

    Each reply is logged in OUTPUT before it is used: a run that was stopped goes on where it was when the same
    command is given again, and asks nothing twice.
    """
    asking = Asking("", base_url, key_variable, timeout, concurrency, attempts, retries, prices)
    try:
        if examples is None and set(choose or ()) - {NONE}:
            raise ValueError(f"--choose {' '.join(choose or ())} needs gold docs to choose from: give --examples.")
        results = compare_prompts(
            gold,
            output,
            models=model,
            prompts=prompt or prompt_names(),
            choices=choose or ([NONE] if examples is None else [NONE, FIXED, WORDS]),
            examples=examples,
            shots=shots,
            labels=None if labels is None else read_labels(labels),
            limit=limit,
            max_tokens=max_tokens,
            asking=asking,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot compare", str(error), exits=1)
    unanswered = sum(sum(result.unanswered.values()) for result in results)
    asked = sum(result.texts for result in results)
    if unanswered > max_failed * asked:
        msg.fail(
            "Too many texts got no reply",
            f"{unanswered:,} of {asked:,}, more than --max-failed {max_failed:g} allows. They count as texts without "
            "entities; the page says why. Give the same command again to ask about them.",
            exits=1,
        )


def compare_prompts(
    gold: Path,
    output: Path,
    *,
    models: Sequence[str],
    prompts: Sequence[str],
    choices: Sequence[str],
    asking: Asking,
    examples: Path | None = None,
    shots: int = 5,
    labels: Mapping[str, str] | None = None,
    limit: int = 100,
    max_tokens: int | None = None,
) -> list[VariantResult]:
    """Measure each variant, print them, and write comparison.json and comparison.html to `output`.

    asking: how all models are asked; the model in it is of no account. Other arguments are those of the command.

    Raises: ValueError where something given does not fit or a server refuses, OSError where a file cannot be written,
    ImportError for a package that is not there.
    """
    money = Money(None if asking.prices is None else read_prices(asking.prices))
    names = {backend_name(model, asking.base_url): model for model in models}
    # what is missing in the price list is said before anything is paid for
    if money.prices is not None:
        for name in names:
            money.prices.of(name)
    docs = list(read_corpus(gold))
    plan = make_plan(
        docs,
        labels=labels or check_labels(dict.fromkeys(sorted({ent.label_ for doc in docs for ent in doc.ents}), "")),
        prompts=prompts,
        choices=choices,
        pool=[] if examples is None else list(read_corpus(examples)),
        shots=shots,
        limit=limit,
        max_tokens=max_tokens,
    )
    results: list[VariantResult] = []
    for name, model in names.items():
        progress = Progress(total=plan.questions, unit="texts")
        with open_run(replace(asking, model=model), output / "replies.jsonl", progress) as run:
            results += plan.results(name, run)
    best = find_best(results)
    page = render_comparison(
        results, best, title=f"{len(plan.sample):,} texts of {gold}", words=plan.words, money=money
    )
    with atomic_write(output / "comparison.html") as partial:
        partial.write_text(page, encoding="utf8")
    with atomic_write(output / "comparison.json") as partial:
        srsly.write_json(partial, _figures(plan, results, best, money))
    _show(plan, results, best, money)
    msg.good(f"Wrote comparison.html and comparison.json to {output}")
    return results


def _figures(
    plan: ComparisonPlan, results: Sequence[VariantResult], best: Best | None, money: Money
) -> dict[str, Any]:
    expert = money.prices.expert if money.prices else None
    return {
        "texts": len(plan.sample),
        "words": plan.words,
        "labels": list(plan.labels),
        "currency": money.prices.currency if money.prices else None,
        "expert_cost": expert and expert.cost(plan.words),
        "best": best and {"f1": asdict(best.by_f1.variant), "for_cost": asdict(best.for_cost.variant)},
        "results": [result.to_dict() for result in results],
    }


def _show(plan: ComparisonPlan, results: Sequence[VariantResult], best: Best | None, money: Money) -> None:
    header = [*HEADER, *([money.name] if money.prices else [])]
    aligns = ["l"] * N_NAMES + ["r"] * (len(header) - N_NAMES)
    msg.table(result_rows(results, money), header=header, divider=True, aligns=aligns)
    msg.table(type_rows(results), header=TYPE_HEADER, divider=True, aligns=["l", "l", *"rrr"])
    names = short_names([result.variant for result in results])
    if best is None:
        msg.warn("No variant found a single right entity, so none is the best")
        return
    for what, result in (("Highest F1", best.by_f1), ("Best F1 for its cost", best.for_cost)):
        name = names[results.index(result)]
        msg.good(
            f"{what}: {name}", f"F1 {percent(result.f)} ({show_interval(result)}), {money.name} {money.of(result)}"
        )
    if expert := money.beside_expert(best.by_f1, words=plan.words):
        msg.info(expert)
