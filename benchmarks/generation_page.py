"""The comparison as tables and a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.results import Table, write

Results = dict[str, list[dict[str, Any]]]
HEADER = ["system", "P", "R", "F1", "ECE", "answers that do not parse", "words/s", "training, minutes"]
CHART = "generation.svg"


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
    failures = row["parse_failures"]
    return [
        row["system"],
        *(f"{100 * row[key]:.1f}" for key in ("ents_p", "ents_r", "ents_f")),
        "" if row["ents_ece"] is None else f"{row['ents_ece']:.3f}",
        "" if failures is None else f"{failures} of {row['texts']}",
        f"{row['speed']:,.0f}",
        f"{row['minutes']:.1f}" if row["minutes"] else "none",
    ]


def draw(path: Path, results: Results) -> None:
    """F1 and words a second of each system, one row of bars for each data set."""
    import matplotlib

    matplotlib.use("Agg")
    # the same file for the same figures
    matplotlib.rcParams |= {"svg.hashsalt": "generation", "svg.fonttype": "none"}
    from matplotlib import pyplot

    n_rows = max(len(rows) for rows in results.values())
    figure, axes = pyplot.subplots(
        len(results), 2, figsize=(10, 0.6 + 0.34 * n_rows * len(results)), squeeze=False, layout="constrained"
    )
    for (left, right), (data, rows) in zip(axes, results.items(), strict=True):
        names = [row["system"] for row in rows]
        colours = ["#4269d0" if row["by"] == "classification" else "#efb118" for row in rows]
        f1 = [100 * row["ents_f"] for row in rows]
        for axis, values, title, form in (
            (left, f1, f"{data}: F1", "%.1f"),
            (right, [row["speed"] for row in rows], "words a second", "%.0f"),
        ):
            axis.bar_label(axis.barh(names, values, color=colours), fmt=form, padding=3, fontsize=8)
            axis.set_title(title, fontsize=10)
            axis.invert_yaxis()
            axis.margins(x=0.15)
            axis.tick_params(labelsize=8)
            axis.spines[["top", "right"]].set_visible(False)
        right.set_yticklabels([])
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
