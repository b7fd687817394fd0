"""`compare-prompts`: which prompt, which examples and which language model to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import srsly
from typer import Argument, Option
from wasabi import msg

from ..data.files import atomic_write
from ..evaluate.predict import percent
from ..llm.backends.registry import backend_name
from ..llm.comparison import (
    HEADER,
    N_NAMES,
    TYPE_HEADER,
    ZERO_SHOT,
    BestVariants,
    ComparisonPlan,
    CostFormatter,
    VariantResult,
    find_best_variants,
    format_interval,
    plan_comparison,
    result_rows,
    short_names,
    type_rows,
)
from ..llm.examples import FIXED, STRATEGIES, WORDS
from ..llm.labelling import check_labels, read_labels
from ..llm.pricing import read_prices
from ..llm.prompts import prompt_names
from ..llm.runner import Progress
from ..report.prompts_page import render_prompt_comparison
from .app import (
    Attempts,
    BaseUrl,
    Concurrency,
    Examples,
    GoldData,
    KeyVariable,
    MaxTokens,
    Prices,
    Retries,
    Shots,
    Timeout,
    app,
)
from .inputs import InputError, read_corpus
from .llm import LlmOptions, open_run


@app.command("compare-prompts")
def compare_prompts(
    gold: GoldData,
    output: Annotated[
        Path, Argument(help="Folder for comparison.json, comparison.html and replies.jsonl", file_okay=False)
    ],
    model: Annotated[
        list[str],
        Option("--model", "-m", help="Language model on its server, or local:NAME in this process. Repeat for more"),
    ],
    prompt: Annotated[
        list[str] | None,
        Option(help=f"A .jinja file, or one of {', '.join(prompt_names())}. Repeat for more. Default: all of these"),
    ] = None,
    choose: Annotated[
        list[str] | None,
        Option(
            help=f"How to choose examples: {ZERO_SHOT}, {STRATEGIES}. Repeat for more. Default: {ZERO_SHOT}, {FIXED} "
            f"and {WORDS}"
        ),
    ] = None,
    examples: Examples = None,
    shots: Shots = 5,
    labels: Annotated[
        str | None,
        Option(help="Labels, separated by commas, or a .cfg file with a section [labels]. Default: those of GOLD"),
    ] = None,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Texts to ask about: a stratified sample")] = 100,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = LlmOptions.key_variable,
    timeout: Timeout = LlmOptions.timeout,
    concurrency: Concurrency = LlmOptions.concurrency,
    attempts: Attempts = LlmOptions.attempts,
    retries: Retries = LlmOptions.retries,
    max_tokens: MaxTokens = None,
    max_failed: Annotated[
        float, Option("--max-failed", min=0, max=1, help="Share of texts that may stay without any reply")
    ] = 0.05,
    prices: Prices = None,
) -> None:
    """Measure prompts, examples and language models.

    Each combination is asked about the same gold texts, and the best is named. Each reply is logged in OUTPUT before
    it is used: give the same command again to continue a run that was stopped. It asks nothing twice.
    """
    if examples is None and set(choose or ()) - {ZERO_SHOT}:
        raise InputError(f"--choose {' '.join(choose or ())} needs gold docs to choose from: give --examples.")
    descriptions = None if labels is None else read_labels(labels)
    costs = CostFormatter(None if prices is None else read_prices(prices))
    models = {backend_name(name, base_url): name for name in model}
    # what is missing in the price list is said before anything is paid for
    if costs.prices is not None:
        for name in models:
            costs.prices.model_price(name)
    docs = list(read_corpus(gold))
    plan = plan_comparison(
        docs,
        labels=descriptions or check_labels(dict.fromkeys(sorted({e.label_ for doc in docs for e in doc.ents}), "")),
        prompts=prompt or prompt_names(),
        choices=choose or ([ZERO_SHOT] if examples is None else [ZERO_SHOT, FIXED, WORDS]),
        pool=[] if examples is None else list(read_corpus(examples)),
        shots=shots,
        limit=limit,
        max_tokens=max_tokens,
    )
    results: list[VariantResult] = []
    for name, given in models.items():
        options = LlmOptions(given, base_url, key_variable, timeout, concurrency, attempts, retries, prices)
        progress = Progress(total=plan.n_requests, unit="texts")
        with open_run(options, output / "replies.jsonl", progress) as run:
            results += plan.evaluate(name, run)
    best = find_best_variants(results)
    page = render_prompt_comparison(
        results, best, title=f"{len(plan.sample):,} texts of {gold}", words=plan.n_words, costs=costs
    )
    with atomic_write(output / "comparison.html") as partial:
        partial.write_text(page, encoding="utf8")
    with atomic_write(output / "comparison.json") as partial:
        srsly.write_json(partial, _figures(plan, results, best, costs))
    _print_results(plan, results, best, costs)
    msg.good(f"Wrote comparison.html and comparison.json to {output}")
    unanswered = sum(sum(result.unanswered.values()) for result in results)
    asked = sum(result.texts for result in results)
    if unanswered > max_failed * asked:
        raise InputError(
            f"{unanswered:,} of {asked:,} texts got no reply, more than --max-failed {max_failed:g} allows. They "
            "count as texts without entities; the page says why. Give the same command again to ask about them."
        )


def _figures(
    plan: ComparisonPlan, results: Sequence[VariantResult], best: BestVariants | None, costs: CostFormatter
) -> dict[str, Any]:
    expert = costs.prices.expert if costs.prices else None
    return {
        "texts": len(plan.sample),
        "words": plan.n_words,
        "labels": list(plan.labels),
        "currency": costs.prices.currency if costs.prices else None,
        "expert_cost": expert and expert.cost(plan.n_words),
        "best": best and {"f1": asdict(best.by_f1.variant), "for_cost": asdict(best.for_cost.variant)},
        "results": [result.to_dict() for result in results],
    }


def _print_results(
    plan: ComparisonPlan, results: Sequence[VariantResult], best: BestVariants | None, costs: CostFormatter
) -> None:
    header = [*HEADER, *([costs.unit] if costs.prices else [])]
    aligns = ["l"] * N_NAMES + ["r"] * (len(header) - N_NAMES)
    msg.table(result_rows(results, costs), header=header, divider=True, aligns=aligns)
    msg.table(type_rows(results), header=TYPE_HEADER, divider=True, aligns=["l", "l", *"rrr"])
    names = short_names([result.variant for result in results])
    if best is None:
        msg.warn("No variant found a single right entity, so none is the best")
        return
    for what, result in (("Highest F1", best.by_f1), ("Best F1 for its cost", best.for_cost)):
        name = names[results.index(result)]
        about = f"F1 {percent(result.f)} ({format_interval(result)}), {costs.unit} {costs.format(result)}"
        msg.good(f"{what}: {name}", about)
    if expert := costs.compare_with_expert(best.by_f1, words=plan.n_words):
        msg.info(expert)
