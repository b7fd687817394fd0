"""Pages about a loop and about a budget experiment, and their main chart as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ..active.budget import Costs, Row
from ..data.files import atomic_write
from ..evaluate.predict import percent
from .charts import CSS, Chart, Series, alone, f1_chart, figure
from .html import REPORT_CSS, Section, join_sections, note, render_shell, table

MIXED, GOLD, LEVEL = "var(--dev)", "var(--train)", "var(--two)"


def write_history(
    output: Path, history: Sequence[Mapping[str, Any]], *, best: int, reason: str, costs: Costs
) -> None:
    """history.html and history.svg: F1 on dev against the words of gold that were bought, and their price.

    best: number of the best round. reason: why there was no further round; empty while there may be.
    """
    words = [float(line["gold"]["words"]) for line in history]
    f = [line["dev"]["ents_f"] for line in history]
    # the first round may have left all of it aside
    silver = history[0]["silver"]["sentences"] + history[0]["silver"]["dropped"]
    spent = [costs.of(each, silver=float(silver > 0)) for each in words]
    charts = {"words of gold": words}
    if None not in spent:
        charts[f"cost, {costs.currency}"] = [amount or 0.0 for amount in spent]
    drawn = {
        name: f1_chart(
            [Series("rounds", [(x, y, 0.0) for x, y in zip(values, f, strict=True)], MIXED)],
            x_name=name,
            ring=(values[best], f[best]),
        )
        for name, values in charts.items()
    }
    rows = [
        (
            str(line["round"]),
            f"{line['gold']['sentences']:,}",
            f"{line['gold']['words']:,}",
            *([] if amount is None else [f"{amount:,.2f}"]),
            *(percent(line["dev"][key]) for key in ("ents_p", "ents_r", "ents_f", "ents_token_acc")),
            f"{line['silver']['sentences']:,}",
            f"{line['silver']['masked_words']:,}",
        )
        for line, amount in zip(history, spent, strict=True)
    ]
    header = ["round", "sentences", "words", *([] if None in spent else [escape(costs.currency)])]
    header += ["P", "R", "F1", "accuracy", "silver sentences", "words left open"]
    told = f"The best round is {best} (ringed). " + (f"Stopped: {escape(reason)}." if reason else "Under way.")
    _write(output / "history", "Active learning", drawn, table(header, rows) + note(told))


def write_budget(output: Path, rows: Sequence[Row], *, saturated: Row | None, costs: Costs) -> None:
    """budget.html and budget.svg: F1 against examples, words and cost, with silver alone and gold alone."""
    axes: dict[str, Callable[[Row], float]] = {
        "words of gold": lambda row: row.words,
        "examples with gold labels": lambda row: row.sentences,
    }
    if all(row.cost is not None for row in rows):
        axes[f"cost, {costs.currency}"] = lambda row: row.cost or 0.0
    drawn = {name: _curves(rows, x, name, saturated) for name, x in axes.items()}
    cells = [
        (
            row.labels,
            f"{100 * row.share:g}%",
            f"{row.sentences:,.0f}",
            f"{row.words:,.0f}",
            *([] if row.cost is None else [f"{row.cost:,.2f}"]),
            *(each.shown() for each in (row.f, row.accuracy)),
            "-" if row.loss is None else row.loss.shown(1),
        )
        for row in rows
    ]
    money = [escape(costs.currency)] if rows[0].cost is not None else []
    header = ["", "share", "sentences", "words", *money, "F1", "accuracy", "loss"]
    told = "Means and standard deviations over the folds, on the gold labels of the fold that was left out. "
    if saturated is None:
        told += "More gold than was tried may bring more."
    else:
        told += f"From {100 * saturated.share:g}% on (ringed), the mean F1 is within one standard error of the best."
    _write(output / "budget", "Gold beside silver", drawn, table(header, cells) + note(told))


def _curves(rows: Sequence[Row], x: Callable[[Row], float], x_name: str, saturated: Row | None) -> Chart:
    def points(chosen: Sequence[Row]) -> list[tuple[float, float, float]]:
        return [(x(row), row.f.mean, row.f.spread) for row in chosen]

    mixed = [row for row in rows if row.line == "mixed"]
    gold = [row for row in rows if row.line == "gold"]
    series = [
        Series("gold alone, all sentences", points(gold[-1:]), GOLD, level=True),
        Series("silver and gold", points(mixed), MIXED),
        Series("gold alone", points(gold[:-1]), GOLD),
        Series("silver alone", points(mixed[:1]), LEVEL, level=True),
    ]
    ring = None if saturated is None else (x(saturated), saturated.f.mean)
    return f1_chart(series, x_name=x_name, ring=ring)


def _write(path: Path, title: str, charts: Mapping[str, Chart], body: str) -> None:
    figures = "".join(
        figure(f"F1 against {name}", chart.content, height=chart.height) for name, chart in charts.items()
    )
    sections = [Section("curves", "F1", f'<div class="charts">{figures}</div>'), Section("figures", "Figures", body)]
    page = render_shell(heading=title, title=str(path.parent), body=join_sections(sections), css=REPORT_CSS + CSS)
    for file, text in (
        (path.with_suffix(".html"), page),
        (path.with_suffix(".svg"), alone(title, next(iter(charts.values())))),
    ):
        with atomic_write(file) as partial:
            partial.write_text(text, encoding="utf8")
