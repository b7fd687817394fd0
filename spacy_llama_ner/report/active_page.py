"""The pages of `llama-ner active-learn` and `llama-ner budget`, and their main chart as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..active.budget import BudgetRow, Costs
from ..data.files import atomic_write
from ..evaluate.predict import percent
from ..evaluate.scorer import ENTS_F, ENTS_P, ENTS_R, ENTS_TOKEN_ACC
from .charts import Chart, Series, chart_file, f1_chart
from .rendering import render

MIXED, GOLD, SILVER = "var(--dev)", "var(--train)", "var(--two)"


def write_history(
    output: Path, history: Sequence[Mapping[str, Any]], *, best: int, reason: str, costs: Costs
) -> None:
    """Write history.html and history.svg: F1 on dev against the words of gold that were bought, and their price.

    Args:
        output: Folder for both files, which appear whole or not at all.
        history: A line for each round, as in `history.jsonl`.
        best: Number of the best round.
        reason: Why there was no further round; empty while there may be one.
        costs: Prices of gold and of silver.

    Raises:
        OSError: If a file cannot be written.
    """
    words = [float(line["gold"]["words"]) for line in history]
    f = [line["dev"][ENTS_F] for line in history]
    # the first round may have left all of it aside
    silver = history[0]["silver"]["sentences"] + history[0]["silver"]["dropped"]
    spent = [costs.of(each, silver=float(silver > 0)) for each in words]
    axes = {"words of gold": words}
    if None not in spent:
        axes[f"cost, {costs.currency}"] = [amount or 0.0 for amount in spent]
    charts = [
        f1_chart(
            f"F1 against {name}",
            [Series("rounds", [(x, y, 0.0) for x, y in zip(values, f, strict=True)], MIXED)],
            x_name=name,
            mark=(values[best], f[best]),
        )
        for name, values in axes.items()
    ]
    rows = [
        (
            line["round"],
            f"{line['gold']['sentences']:,}",
            f"{line['gold']['words']:,}",
            *([] if amount is None else [f"{amount:,.2f}"]),
            *(percent(line["dev"][key]) for key in (ENTS_P, ENTS_R, ENTS_F, ENTS_TOKEN_ACC)),
            f"{line['silver']['sentences']:,}",
            f"{line['silver']['masked_words']:,}",
        )
        for line, amount in zip(history, spent, strict=True)
    ]
    header = ["round", "sentences", "words", *([] if None in spent else [costs.currency])]
    header += ["P", "R", "F1", "accuracy", "silver sentences", "words left open"]
    note = f"The best round is {best} (ringed). " + (f"Stopped: {reason}." if reason else "Under way.")
    _write(output / "history", "Active learning", charts=charts, header=header, rows=rows, note=note)


def write_budget(output: Path, rows: Sequence[BudgetRow], *, saturated: BudgetRow | None, costs: Costs) -> None:
    """Write budget.html and budget.svg: F1 against examples, words and cost, with silver alone and gold alone.

    Args:
        output: Folder for both files, which appear whole or not at all.
        rows: Results by share of gold, at least one.
        saturated: The row from which on more gold brings nothing; None if none is known.
        costs: Prices of gold and of silver.

    Raises:
        OSError: If a file cannot be written.
    """
    axes: dict[str, Callable[[BudgetRow], float]] = {
        "words of gold": lambda row: row.words,
        "examples with gold labels": lambda row: row.sentences,
    }
    if all(row.cost is not None for row in rows):
        axes[f"cost, {costs.currency}"] = lambda row: row.cost or 0.0
    charts = [_budget_chart(rows, x, x_name=name, saturated=saturated) for name, x in axes.items()]
    cells = [
        (
            row.labels,
            f"{100 * row.share:g}%",
            f"{row.sentences:,.0f}",
            f"{row.words:,.0f}",
            *([] if row.cost is None else [f"{row.cost:,.2f}"]),
            *(each.format() for each in (row.f, row.accuracy)),
            "-" if row.loss is None else row.loss.format(1),
        )
        for row in rows
    ]
    header = ["", "share", "sentences", "words", *([] if rows[0].cost is None else [costs.currency])]
    header += ["F1", "accuracy", "loss"]
    note = "Means and standard deviations over the folds, on the gold labels of the fold that was left out. "
    if saturated is None:
        note += "More gold than was tried may bring more."
    else:
        note += f"From {100 * saturated.share:g}% on (ringed), the mean F1 is within one standard error of the best."
    _write(output / "budget", "Gold beside silver", charts=charts, header=header, rows=cells, note=note)


def _budget_chart(
    rows: Sequence[BudgetRow], x: Callable[[BudgetRow], float], *, x_name: str, saturated: BudgetRow | None
) -> Chart:
    def points(chosen: Sequence[BudgetRow]) -> list[tuple[float, float, float]]:
        return [(x(row), row.f.mean, row.f.spread) for row in chosen]

    mixed = [row for row in rows if row.line == "mixed"]
    gold = [row for row in rows if row.line == "gold"]
    series = [
        Series("gold alone, all sentences", points(gold[-1:]), GOLD, level=True),
        Series("silver and gold", points(mixed), MIXED),
        Series("gold alone", points(gold[:-1]), GOLD),
        Series("silver alone", points(mixed[:1]), SILVER, level=True),
    ]
    mark = None if saturated is None else (x(saturated), saturated.f.mean)
    return f1_chart(f"F1 against {x_name}", series, x_name=x_name, mark=mark)


def _write(path: Path, heading: str, *, charts: Sequence[Chart], **context: Any) -> None:
    page = render("active", heading=heading, title=str(path.parent), charts=charts, **context)
    for file, text in (
        (path.with_suffix(".html"), page),
        (path.with_suffix(".svg"), chart_file(heading, charts[:1])),
    ):
        with atomic_write(file) as partial:
            partial.write_text(text, encoding="utf8")
