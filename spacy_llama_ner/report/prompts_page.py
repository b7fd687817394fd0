"""The page about a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from ..evaluate.predict import TOTAL, percent
from ..llm.comparison import (
    HEADER,
    TYPE_HEADER,
    BestVariants,
    CostFormatter,
    VariantResult,
    result_rows,
    short_names,
    show_interval,
    type_rows,
)
from .charts import Frame, figure, nice_ticks, numbered
from .html import REPORT_CSS, Section, bar, join_sections, note, render_shell, table

SCORES = {"p": "precision", "r": "recall", "f": "F1"}
CSS = """
.p { fill: var(--one); background: var(--one); }
.r { fill: var(--two); background: var(--two); }
.f { fill: var(--fill); background: var(--fill); }
.bars { width: 100%; }
.bars th, .bars td { padding-left: .6rem; }
.bars th:first-child { white-space: normal; overflow-wrap: anywhere; padding-left: 0; }
.bars td:nth-child(2) { width: 50%; }
.bars .bar { display: block; width: 100%; height: .38rem; margin: .12rem 0; }
.keys + .charts { margin-top: 1rem; }
.number { font-weight: 600; }
"""


def score_charts(results: Sequence[VariantResult]) -> str:
    """Precision, recall and F1 of each variant: in total, then by type."""
    names = short_names([each.variant for each in results])
    labels = sorted({label for each in results for label in each.per_type})
    charts = [_scores(TOTAL, names, [{"p": each.p, "r": each.r, "f": each.f} for each in results])]
    charts += [_scores(label, names, [each.per_type.get(label, {}) for each in results]) for label in labels]
    keys = "".join(f'<li><i class="swatch {key}"></i>{name}</li>' for key, name in SCORES.items())
    return f'<ul class="keys">{keys}</ul><div class="charts">{"".join(charts)}</div>'


def measure_charts(results: Sequence[VariantResult], money: CostFormatter) -> str:
    """Unusable replies, time, tokens and cost of each variant."""
    charts = [
        _bars("Unusable replies, %", results, lambda each: 100 * (each.unusable or 0.0), most=100.0),
        _bars("Seconds a text", results, lambda each: each.seconds / each.texts),
        _bars("Tokens of input a text", results, lambda each: each.input_tokens / each.texts),
        _bars("Tokens of output a text", results, lambda each: each.output_tokens / each.texts),
    ]
    if money.prices is not None:
        unit = f"Cost of a thousand texts, {money.prices.currency}"
        charts.append(_bars(unit, results, lambda each: 1000 * (each.cost or 0.0) / each.texts))
    return f'<div class="charts">{"".join(charts)}</div>'


def spread_chart(results: Sequence[VariantResult], money: CostFormatter) -> str:
    """A numbered point for each variant."""
    amounts = [money.amount(each) for each in results]
    x_ticks = nice_ticks(0, max(amounts), most=5)
    y_ticks = nice_ticks(100 * min(each.f for each in results), 100 * max(each.f for each in results))
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    axes = frame.axes(numbered(x_ticks), numbered(y_ticks), x_name=money.name)
    names = short_names([each.variant for each in results])
    points = []
    for number, (each, amount, name) in enumerate(zip(results, amounts, names, strict=True), start=1):
        x, y = frame.at(amount, 100 * each.f)
        hint = escape(f"{name}: F1 {percent(each.f)}, {money.name} {money.of(each)}")
        points.append(
            f'<g><title>{hint}</title><circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
            f'<text class="number" x="{x + 6:.1f}" y="{y - 5:.1f}">{number}</text></g>'
        )
    chart = figure(f"F1 against {money.name}", axes + "".join(points))
    return chart + note(
        "Numbers are those of the table of all variants. What is farther up and to the left is better."
    )


def _scores(title: str, names: Sequence[str], scores: Sequence[Mapping[str, float]]) -> str:
    rows = []
    for name, shares in zip(names, scores, strict=True):
        drawn = "".join(bar((shares.get(key, 0.0), key)) for key in SCORES)
        hint = ", ".join(f"{told} {percent(shares.get(key))}" for key, told in SCORES.items())
        rows.append((escape(name), f'<span title="{hint}">{drawn}</span>', percent(shares.get("f"))))
    return _figure(title, rows, value="F1")


def _bars(
    title: str,
    results: Sequence[VariantResult],
    value: Callable[[VariantResult], float],
    *,
    most: float | None = None,
) -> str:
    values = [value(each) for each in results]
    longest = most or max(values) or 1.0
    names = short_names([each.variant for each in results])
    rows = [
        (escape(name), bar((number / longest, "f")), f"{number:,.4g}")
        for name, number in zip(names, values, strict=True)
    ]
    return _figure(title, rows, value="")


def _figure(title: str, rows: Sequence[tuple[str, str, str]], *, value: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{table(('', '', value), rows, kind='bars')}</figure>"


def render_comparison(
    results: Sequence[VariantResult], best: BestVariants | None, *, title: str, words: int, money: CostFormatter
) -> str:
    """The page, as HTML.

    results: at least one, in the order in which they are shown.
    title: what was asked about.
    words: of the sample, for what an expert would take for it.
    """
    sections = [
        Section("best", "The best", _best(results, best, words=words, money=money)),
        Section("variants", "All variants", _variants(results, money)),
        Section("scores", "Scores by type", score_charts(results) + _by_type(results)),
        Section("costs", "What they take", measure_charts(results, money)),
    ]
    if len(results) > 1:
        sections.append(Section("spread", "F1 against cost", spread_chart(results, money)))
    return render_shell(
        heading="Comparison of prompts", title=title, body=join_sections(sections), css=REPORT_CSS + CSS
    )


def _best(results: Sequence[VariantResult], best: BestVariants | None, *, words: int, money: CostFormatter) -> str:
    if best is None:
        return note("No variant found a single right entity, so none is the best.")
    names = dict(
        zip((id(result) for result in results), short_names([each.variant for each in results]), strict=True)
    )
    rows = [
        (escape(what), escape(names[id(result)]), percent(result.f), show_interval(result), money.of(result))
        for what, result in (("Highest F1", best.by_f1), ("Best F1 for its cost", best.for_cost))
    ]
    told = (
        "The best for its cost is the cheapest of those whose F1 is not below the 95% interval of the highest "
        "(percentile bootstrap over the texts)."
    )
    expert = money.beside_expert(best.by_f1, words=words)
    said = note(told) + ("" if expert is None else note(escape(expert)))
    return table(("", "variant", "F1", "95% interval", escape(money.name)), rows) + said


def _variants(results: Sequence[VariantResult], money: CostFormatter) -> str:
    rows = [
        (str(number), *map(escape, cells), escape(_reasons(each)))
        for number, (each, cells) in enumerate(zip(results, result_rows(results, money), strict=True), start=1)
    ]
    header = ["", *HEADER, *([] if money.prices is None else [escape(money.name)]), "why unusable or lost"]
    told = (
        "An entity is right if its first word, its last word and its label are gold. Unusable replies could not be "
        "parsed, or were about another text; they were asked for again. A text that is lost got no usable reply at "
        "all, and counts as one without entities. Seconds are those from request to reply, "
        "though many are under way at a time; a model in this process has only its share of the time of a batch."
    )
    return table(header, rows) + note(told)


def _by_type(results: Sequence[VariantResult]) -> str:
    return table(TYPE_HEADER, [tuple(map(escape, row)) for row in type_rows(results)])


def _reasons(result: VariantResult) -> str:
    reasons = [*result.rejected.items(), *result.unanswered.items()]
    return ", ".join(f"{reason}: {count:,}" for reason, count in reasons)
