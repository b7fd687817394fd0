"""`active-learn` and `budget`: gold labels bought where they teach most, and how many of them pay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
from spacy.cli._util import import_code
from typer import Argument, Context, Option
from wasabi import msg

from ..active.budget import BudgetRow, find_saturation, make_rows, measure_budget, read_costs, read_folds
from ..active.config import config_fingerprint, read_active_config
from ..active.loop import STOPPING_SETTINGS, Loop
from ..active.rounds import BEST_PIPELINE, Round, find_best_round, write_outputs
from ..data.files import RunManifest, atomic_write
from ..evaluate.predict import percent
from ..evaluate.scorer import ENTS_F
from ..report.active_page import write_budget, write_history
from .app import CONFIG_OVERRIDES, Code, GpuId, Prices, SilverCost, app
from .hub import push
from .inputs import config_errors, read_overrides, use_device

MANIFEST = "run.json"


@app.command("active-learn", context_settings=CONFIG_OVERRIDES)
def active_learn(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config with a block [active], such as configs/active.cfg")],
    output: Annotated[Path, Argument(help="Folder for the rounds, the history and the best pipeline")],
    prices: Prices = None,
    silver_cost: SilverCost = 0.0,
    push_to: Annotated[
        str | None, Option("--push", help="Repository on the Hub that gets each round as a branch")
    ] = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Buy gold labels round by round, where they help most.

    Each round scores texts of the pool, asks the oracle about those of which the pipeline is least sure, trains with
    all gold and silver labels, and evaluates on dev data. Give the same command again to continue a run that was
    stopped: the result is the same. OUTPUT gets history.jsonl, history.html, model-best, gold.spacy and a folder for
    each round. Settings of the config can be given as options, such as --active.total 20000.
    """
    overrides = read_overrides(ctx.args)
    import_code(code)
    use_device(gpu_id)
    costs = read_costs(prices, silver=silver_cost)
    with config_errors(config):
        settings = read_active_config(config, overrides, block="active")
        # an error in the data is raised here, before the folder belongs to this run
        loop = Loop(settings, output)
    RunManifest(output / MANIFEST, config_fingerprint(settings, ignore=STOPPING_SETTINGS)).begin_or_resume()
    rounds: list[Round] = []
    for each in loop.rounds():
        rounds.append(each)
        best = find_best_round(rounds)
        # a run that is taken up again does not replace a page that shows more rounds than it has yet
        if each.next.result is None:
            write_outputs(output, rounds, gold=loop.gold)
            write_history(output, loop.history, best=best.number, reason="", costs=costs)
        _print_round(each, best)
        if push_to is not None and not each.is_pushed(push_to):
            each.save_pushed(push_to, push(each.pipeline, push_to, branch=f"round-{each.number}"))
    best = write_outputs(output, rounds, gold=loop.gold)
    write_history(output, loop.history, best=best.number, reason=loop.reason, costs=costs)
    msg.info(f"Over after round {rounds[-1].number}: {loop.reason}")
    msg.good(f"The best pipeline, of round {best.number}, is in {output / BEST_PIPELINE}")


def _print_round(this: Round, best: Round) -> None:
    result, minutes = this.result or {}, sum(this.seconds.values()) / 60
    gold, f = result["gold"], percent(result["dev"][ENTS_F])
    scores = f"F1 {f} on dev with {gold['words']:,} words of gold ({gold['sentences']:,} sentences)"
    note = ", the best so far" if best.number == this.number else ""
    msg.info(f"Round {this.number}: {scores}, {minutes:.1f} minutes{note}")


@app.command("budget", context_settings=CONFIG_OVERRIDES)
def budget(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config with a block [budget], such as configs/active.cfg")],
    output: Annotated[Path, Argument(help="Folder for the figures, one file per training, and the page")],
    prices: Prices = None,
    silver_cost: SilverCost = 0.0,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Measure what growing shares of gold labels bring.

    Trains on silver labels with growing shares of gold ones, on each of several folds, and scores on the gold labels
    of the sentences that the fold leaves out. Give the same command again to continue a run that was stopped. OUTPUT
    gets budget.json, budget.html and budget.svg. Settings of the config can be given as options, such as
    --budget.folds 3.
    """
    overrides = read_overrides(ctx.args)
    import_code(code)
    use_device(gpu_id)
    costs = read_costs(prices, silver=silver_cost)
    with config_errors(config):
        settings = read_active_config(config, overrides, block="budget")
        # an error in the data is raised here, before the folder belongs to this run
        folds = read_folds(settings)
    RunManifest(output / MANIFEST, config_fingerprint(settings)).begin_or_resume()
    results = []
    for run, result in measure_budget(settings, folds, output):
        results.append((run, result))
        msg.info(f"Fold {run.fold}, {run.line}, {100 * run.share:g}% gold: F1 {percent(result[ENTS_F])}")
    rows = make_rows(results, costs)
    saturated = find_saturation(rows)
    with atomic_write(output / "budget.json") as partial:
        found = {"rows": [row.to_dict() for row in rows], "saturated": saturated and saturated.share}
        srsly.write_json(partial, found)
    write_budget(output, rows, saturated=saturated, costs=costs)
    header = ("labels", "share", "sentences", "words", "F1", "spread", "cost")
    msg.table([_budget_columns(row) for row in rows], header=header, divider=True, aligns=("l", *"rrrrrr"))
    msg.good(f"Wrote {output / 'budget.html'}")


def _budget_columns(row: BudgetRow) -> tuple[str, ...]:
    return (
        row.labels,
        f"{100 * row.share:g}%",
        f"{row.sentences:,.0f}",
        f"{row.words:,.0f}",
        percent(row.f.mean),
        percent(row.f.spread),
        "-" if row.cost is None else f"{row.cost:,.2f}",
    )
