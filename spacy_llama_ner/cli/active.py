"""`python -m spacy llama-ner active-learn`: labels bought where they teach most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import srsly
from typer import Argument, Context, Option
from wasabi import msg

from ..data.files import atomic_write, begin
from ..evaluate.predict import percent
from .app import app, read_overrides, use_device
from .hub import push

if TYPE_CHECKING:
    from ..active.budget import Row
    from ..active.rounds import Round

TITLE = "Active learning cannot go on"
RECORD = "run.json"
Prices = Annotated[Path | None, Option(help="Price list, such as assets/prices.yml, to show costs as well")]
SilverCost = Annotated[float, Option(min=0, help="What all silver labels have cost, in the list's currency")]


@app.command("active-learn", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def active_learn_cli(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config with a block [active], such as configs/active.cfg")],
    output: Annotated[Path, Argument(help="Folder for the rounds, the history and the best pipeline")],
    prices: Prices = None,
    silver_cost: SilverCost = 0.0,
    push_to: Annotated[str | None, Option("--push", help="Hub repository that gets each round in a branch")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Buy gold labels round by round, where the pipeline is least sure, beside the silver ones that there are.

    Each round scores texts of the pool, asks the oracle about the best of them, trains on with all data, and looks at
    gold dev data. A run that was killed goes on where it was when the same command is given again, and comes to the
    same result. OUTPUT gets history.jsonl, history.html, model-best, gold.spacy and a folder for each round. Settings
    of the config can be given as options, such as --active.total 20000.
    """
    try:
        overrides = read_overrides(ctx.args)
        active_learn(
            config,
            output,
            overrides=overrides,
            prices=prices,
            silver_cost=silver_cost,
            push_to=push_to,
            gpu_id=gpu_id,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail(TITLE, str(error), exits=1)


def active_learn(
    config: Path,
    output: Path,
    *,
    overrides: dict[str, Any] | None = None,
    prices: Path | None = None,
    silver_cost: float = 0.0,
    push_to: str | None = None,
    gpu_id: int = -1,
) -> list[dict[str, Any]]:
    """Run or take up again the loop that `[active]` describes, and give its history.

    Raises: ValueError where a setting, a corpus, an answer, a price list or the Hub does not fit, OSError where a
    file cannot be read or written; or either where the oracle has no answer yet.
    """
    from ..active.budget import read_costs
    from ..active.config import facts_of, read_active_config
    from ..active.loop import LIMITS, Loop
    from ..active.rounds import BEST, best_of, publish
    from ..report.active_page import write_history

    use_device(gpu_id)
    costs = read_costs(prices, silver=silver_cost)
    plan = read_active_config(config, overrides or {}, block="active")
    # what is wrong with the data is told before the folder belongs to this run
    loop = Loop(plan, output)
    begin(output, facts_of(plan, free=LIMITS), record=RECORD)
    rounds: list[Round] = []
    for each in loop.rounds():
        rounds.append(each)
        best = best_of(rounds)
        # what shows more than this round stays until there is still more to show
        if each.next.result is None:
            publish(output, rounds, gold=loop.gold)
            write_history(output, loop.history, best=best.number, reason="", costs=costs)
        _tell(each, best)
        if push_to is not None and not each.is_pushed(push_to):
            each.note_pushed(push_to, push(each.pipeline, push_to, branch=f"round-{each.number}"))
    best = publish(output, rounds, gold=loop.gold)
    write_history(output, loop.history, best=best.number, reason=loop.reason, costs=costs)
    msg.info(f"Over after round {each.number}: {loop.reason}")
    msg.good(f"The best pipeline, of round {best.number}, is in {output / BEST}")
    return loop.history


def _tell(this: Round, best: Round) -> None:
    line, minutes = this.result or {}, sum(this.seconds.values()) / 60
    gold, f = line["gold"], percent(line["dev"]["ents_f"])
    told = f"F1 {f} on dev with {gold['words']:,} words of gold ({gold['sentences']:,} sentences)"
    last = ", the best so far" if best.number == this.number else ""
    msg.info(f"Round {this.number}: {told}, {minutes:.1f} minutes{last}")


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
    from ..active.budget import make_rows, measure_budget, read_costs, read_folds, saturation
    from ..active.config import facts_of, read_active_config
    from ..report.active_page import write_budget

    use_device(gpu_id)
    costs = read_costs(prices, silver=silver_cost)
    plan = read_active_config(config, overrides or {}, block="budget")
    # what is wrong with the data is told before the folder belongs to this experiment
    folds = read_folds(plan)
    begin(output, facts_of(plan), record=RECORD)
    results = []
    for cell, result in measure_budget(plan, folds, output):
        results.append((cell, result))
        msg.info(f"Fold {cell.fold}, {cell.line}, {100 * cell.share:g}% gold: F1 {percent(result['ents_f'])}")
    rows = make_rows(results, costs)
    saturated = saturation(rows)
    with atomic_write(output / "budget.json") as partial:
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
