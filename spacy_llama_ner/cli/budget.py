"""`python -m spacy llama-ner budget`: what each share of expert labels is worth beside those of a language model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import srsly
from typer import Argument, Context, Option
from wasabi import msg

from ..data.begun import begin
from ..data.files import written_whole
from ..evaluate.table import percent
from .active_learn import RECORD, Prices, SilverCost
from .app import app
from .inputs import read_overrides, use_device

if TYPE_CHECKING:
    from ..active.curve import Row

HEADER = ("labels", "share", "sentences", "words", "F1", "spread", "cost")


@app.command("budget", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def budget_cli(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config with a block [budget], such as configs/active.cfg")],
    output: Annotated[Path, Argument(help="Folder for the figures, one file a training, and the page")],
    prices: Prices = None,
    silver_cost: SilverCost = 0.0,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Train on silver labels with growing shares of gold ones, on each of several folds, and draw what comes out.

    The scores are those on the gold labels of the sentences that a fold leaves out. A run that was killed goes on
    with the training it was in when the same command is given again. OUTPUT gets budget.json, budget.html and
    budget.svg. Settings of the config can be given as options, such as --budget.folds 3.
    """
    try:
        overrides = read_overrides(ctx.args)
        budget(config, output, overrides=overrides, prices=prices, silver_cost=silver_cost, gpu_id=gpu_id)
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot measure the budget", str(error), exits=1)


def budget(
    config: Path,
    output: Path,
    *,
    overrides: dict[str, Any] | None = None,
    prices: Path | None = None,
    silver_cost: float = 0.0,
    gpu_id: int = -1,
) -> list[Row]:
    """Run or take up again the experiment that `[budget]` describes, and give a row for each share.

    Raises: ValueError where a setting, a corpus or a price list does not fit, OSError where a file cannot be read or
    written.
    """
    from ..active.cells import measure_cells, read_folds
    from ..active.costs import read_costs
    from ..active.curve import make_rows, saturation
    from ..active.facts import facts_of
    from ..active.pages import write_budget
    from ..active.plan import read_plan

    use_device(gpu_id)
    costs = read_costs(prices, silver=silver_cost)
    plan = read_plan(config, overrides or {}, block="budget")
    # what is wrong with the data is told before the folder belongs to this experiment
    folds = read_folds(plan)
    begin(output, facts_of(plan), record=RECORD)
    results = []
    for cell, result in measure_cells(plan, folds, output):
        results.append((cell, result))
        msg.info(f"Fold {cell.fold}, {cell.line}, {100 * cell.share:g}% gold: F1 {percent(result['ents_f'])}")
    rows = make_rows(results, costs)
    saturated = saturation(rows)
    with written_whole(output / "budget.json") as partial:
        found = {"rows": [row.to_dict() for row in rows], "saturated": saturated and saturated.share}
        srsly.write_json(partial, found)
    write_budget(output, rows, saturated=saturated, costs=costs)
    msg.table([_cells(row) for row in rows], header=HEADER, divider=True, aligns=("l", *"rrrrrr"))
    msg.good(f"Wrote {output / 'budget.html'}")
    return rows


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.labels,
        f"{100 * row.share:g}%",
        f"{row.sentences:,.0f}",
        f"{row.words:,.0f}",
        percent(row.f.mean),
        percent(row.f.spread),
        "-" if row.cost is None else f"{row.cost:,.2f}",
    )
