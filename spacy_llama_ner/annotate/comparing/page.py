"""The page about a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...evaluate.markup import table
from ...evaluate.report.sections import Section, join_sections, note
from ...evaluate.report.style import CSS as REPORT_CSS
from ...evaluate.shell import render_shell
from ...evaluate.table import percent
from .best import Best
from .charts import CSS, measure_charts, score_charts, spread_chart
from .money import Money
from .result import Result, short_names
from .table import HEADER, TYPE_HEADER, result_rows, show_interval, type_rows


def render_comparison(results: Sequence[Result], best: Best | None, *, title: str, words: int, money: Money) -> str:
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


def _best(results: Sequence[Result], best: Best | None, *, words: int, money: Money) -> str:
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


def _variants(results: Sequence[Result], money: Money) -> str:
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


def _by_type(results: Sequence[Result]) -> str:
    return table(TYPE_HEADER, [tuple(map(escape, row)) for row in type_rows(results)])


def _reasons(result: Result) -> str:
    reasons = [*result.rejected.items(), *result.unanswered.items()]
    return ", ".join(f"{reason}: {count:,}" for reason, count in reasons)
