"""The page of `llama-ner compare-prompts`: scores and costs of prompts, examples and models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..evaluate.predict import TOTAL, percent
from ..llm.comparison import (
    HEADER,
    TYPE_HEADER,
    BestVariants,
    CostFormatter,
    VariantResult,
    format_interval,
    result_rows,
    short_names,
    type_rows,
)
from .charts import Chart, scatter_chart
from .rendering import render

# scores by key, which is also the CSS class that colours their bars
SCORES = {"p": "precision", "r": "recall", "f": "F1"}


@dataclass(frozen=True)
class Bars:
    """The bars of one variant in a figure.

    Attributes:
        name: The variant.
        bars: Share of the full length and CSS class of each bar.
        value: The number beside them.
        tooltip: Plain text, which may be empty.
    """

    name: str
    bars: Sequence[tuple[float, str]]
    value: str
    tooltip: str = ""


def render_prompt_comparison(
    results: Sequence[VariantResult], best: BestVariants | None, *, title: str, words: int, costs: CostFormatter
) -> str:
    """Render scores by type, costs and the best of several variants.

    Args:
        results: At least one, in the order in which they are shown.
        best: The best of them, None if there is none.
        title: What was asked about.
        words: Number of words of the sample, for what an expert would take for it.
        costs: What results cost.

    Returns:
        HTML.
    """
    names = short_names([each.variant for each in results])
    variants = [
        (number, *cells, _reasons(each))
        for number, (each, cells) in enumerate(zip(results, result_rows(results, costs), strict=True), start=1)
    ]
    header = ["", *HEADER, *([] if costs.prices is None else [costs.unit]), "why unusable or lost"]
    return render(
        "prompts",
        heading="Comparison of prompts",
        title=title,
        cost_unit=costs.unit,
        best=None if best is None else _best(results, best, names=names, words=words, costs=costs),
        variants={"header": header, "rows": variants},
        score_names=SCORES,
        scores=_score_figures(results, names),
        types={"header": TYPE_HEADER, "rows": type_rows(results)},
        cost_figures=_cost_figures(results, names, costs),
        scatter=_scatter(results, names, costs) if len(results) > 1 else None,
    )


def _best(
    results: Sequence[VariantResult], best: BestVariants, *, names: Sequence[str], words: int, costs: CostFormatter
) -> dict[str, Any]:
    name_of = dict(zip((id(result) for result in results), names, strict=True))
    rows = [
        (what, name_of[id(result)], percent(result.f), format_interval(result), costs.format(result))
        for what, result in (("Highest F1", best.by_f1), ("Best F1 for its cost", best.for_cost))
    ]
    return {"rows": rows, "beside_expert": costs.compare_with_expert(best.by_f1, words=words)}


def _reasons(result: VariantResult) -> str:
    reasons = [*result.rejected.items(), *result.unanswered.items()]
    return ", ".join(f"{reason}: {count:,}" for reason, count in reasons)


def _score_figures(results: Sequence[VariantResult], names: Sequence[str]) -> list[tuple[str, list[Bars]]]:
    """Precision, recall and F1 of each variant: in total, then by label."""
    labels = sorted({label for each in results for label in each.per_type})
    figures: dict[str, list[Mapping[str, float]]] = {
        label: [each.per_type.get(label, {}) for each in results] for label in labels
    }
    total: list[Mapping[str, float]] = [{"p": each.p, "r": each.r, "f": each.f} for each in results]
    return [
        (title, [_score_bars(name, shares) for name, shares in zip(names, scores, strict=True)])
        # a label may have the name of the total
        for title, scores in [(TOTAL, total), *figures.items()]
    ]


def _score_bars(name: str, shares: Mapping[str, float]) -> Bars:
    tooltip = ", ".join(f"{score} {percent(shares.get(key))}" for key, score in SCORES.items())
    return Bars(name, [(shares.get(key, 0.0), key) for key in SCORES], percent(shares.get("f")), tooltip)


def _cost_figures(
    results: Sequence[VariantResult], names: Sequence[str], costs: CostFormatter
) -> list[tuple[str, list[Bars]]]:
    """Unusable replies, time, tokens and cost of each variant."""

    def figure(
        title: str, measure: Callable[[VariantResult], float], *, longest: float | None = None
    ) -> tuple[str, list[Bars]]:
        values = [measure(each) for each in results]
        full = longest or max(values) or 1.0
        return title, [
            Bars(name, [(value / full, "f")], f"{value:,.4g}") for name, value in zip(names, values, strict=True)
        ]

    figures = [
        figure("Unusable replies, %", lambda each: 100 * (each.unusable or 0.0), longest=100.0),
        figure("Seconds a text", lambda each: each.seconds / each.texts),
        figure("Tokens of input a text", lambda each: each.input_tokens / each.texts),
        figure("Tokens of output a text", lambda each: each.output_tokens / each.texts),
    ]
    if costs.prices is not None:
        title = f"Cost of a thousand texts, {costs.prices.currency}"
        figures.append(figure(title, lambda each: 1000 * (each.cost or 0.0) / each.texts))
    return figures


def _scatter(results: Sequence[VariantResult], names: Sequence[str], costs: CostFormatter) -> Chart:
    points = [
        (costs.amount(each), 100 * each.f, f"{name}: F1 {percent(each.f)}, {costs.unit} {costs.format(each)}")
        for each, name in zip(results, names, strict=True)
    ]
    return scatter_chart(f"F1 against {costs.unit}", points, x_name=costs.unit)
