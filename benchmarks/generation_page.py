"""The page of `benchmarks.generation`: its results as tables and as charts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.results import Table, write
from spacy_llama_ner.evaluate.scorer import ENTS_ECE, ENTS_F, ENTS_P, ENTS_R, PARSE_FAILURES, SPEED
from spacy_llama_ner.report.charts import bar_chart, chart_file

Results = dict[str, list[dict[str, Any]]]
HEADER = ["system", "P", "R", "F1", "ECE", "answers that do not parse", "words/s", "training, minutes"]
CHART = "generation.svg"
COLOURS = {"classification": "var(--dev)", "generation": "var(--train)"}


def write_page(folder: Path, command: str, results: Results, *, texts: int, steps: int) -> None:
    """Write `generation.md` and the chart beside it."""
    tables = [
        Table(
            data,
            f"{rows[0]['texts']} texts of test, once; trained on at most {texts} texts, {steps} steps. One seed.",
            HEADER,
            [_row(row) for row in rows],
        )
        for data, rows in results.items()
    ]
    print(*(table.to_markdown() for table in tables), sep="\n\n")
    write(folder / "generation.md", command, " and ".join(results), tables)
    draw(folder / CHART, results)


def _row(row: dict[str, Any]) -> list[str]:
    failures = row[PARSE_FAILURES]
    return [
        row["system"],
        *(f"{100 * row[key]:.1f}" for key in (ENTS_P, ENTS_R, ENTS_F)),
        "" if row[ENTS_ECE] is None else f"{row[ENTS_ECE]:.3f}",
        "" if failures is None else f"{failures} of {row['texts']}",
        f"{row['speed']:,.0f}",
        f"{row['minutes']:.1f}" if row["minutes"] else "none",
    ]


def draw(path: Path, results: Results) -> None:
    """F1 and words a second of each system, one row of charts for each data set."""
    charts = []
    for data, rows in results.items():
        colours = [COLOURS[row["by"]] for row in rows]
        for title, values, value_format in (
            (f"{data}: F1", [100 * row[ENTS_F] for row in rows], ".1f"),
            (f"{data}: words a second", [row[SPEED] for row in rows], ",.0f"),
        ):
            bars = [(row["system"], *each) for row, *each in zip(rows, values, colours, strict=True)]
            charts.append(bar_chart(title, bars, value_format=value_format))
    path.write_text(chart_file("Classification beside generation", charts, columns=2), encoding="utf8")
