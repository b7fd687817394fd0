"""`python -m spacy llama-ner active-learn`: labels bought where they teach most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from spacy.cli._util import parse_config_overrides
from typer import Argument, Context, Option
from wasabi import msg

from ..evaluate.table import percent
from .app import app
from .inputs import use_device
from .push import push

TITLE = "Active learning cannot go on"
RECORD = "run.json"


@app.command("active-learn", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def active_learn_cli(
    ctx: Context,
    config: Annotated[Path, Argument(help="Training config with a block [active], such as configs/active.cfg")],
    output: Annotated[Path, Argument(help="Folder for the rounds, the history and the best pipeline")],
    prices: Annotated[Path | None, Option(help="Price list, such as assets/prices.yml, to show costs as well")] = None,
    silver_cost: Annotated[float, Option(min=0, help="What all silver labels have cost, in the list's currency")] = 0.0,
    push_to: Annotated[str | None, Option("--push", help="Hub repository that gets each round in a branch")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Train on silver labels, then buy gold labels round by round where the pipeline is least sure.

    Each round scores texts of the pool, asks the oracle about the best of them, trains on with all data, and looks at
    gold dev data. A run that was killed goes on where it was when the same command is given again, and comes to the
    same result. OUTPUT gets history.jsonl, history.html, model-best, gold.spacy and a folder for each round. Settings
    of the config can be given as options, such as --active.total 20000.
    """
    from ..active.oracle import NotYetAnswered

    try:
        overrides = parse_config_overrides(ctx.args)
        active_learn(
            config,
            output,
            overrides=overrides,
            prices=prices,
            silver_cost=silver_cost,
            push_to=push_to,
            gpu_id=gpu_id,
        )
    except NotYetAnswered as error:
        msg.info(f"{error} Then give the same command again.")
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

    Raises: NotYetAnswered where people have still to label, ValueError where a setting, a corpus, an answer, a price
    list or the Hub does not fit, OSError where a file cannot be read or written.
    """
    from ..active.facts import facts_of
    from ..active.loop import Loop
    from ..active.plan import read_plan
    from ..active.published import BEST, publish
    from ..active.rounds import Round
    from ..active.settings import LIMITS
    from ..annotate.cost import read_prices
    from ..data.begun import begin

    use_device(gpu_id)
    costs = None if prices is None else read_prices(prices)
    plan = read_plan(config, overrides or {}, block="active")
    begin(output, facts_of(plan, free=LIMITS), record=RECORD)
    loop = Loop(plan, output)
    rounds: list[Round] = []
    for each in loop.rounds():
        rounds.append(each)
        best = publish(output, rounds, gold=loop.gold)
        _tell(each, best)
        if push_to is not None and not each.is_pushed(push_to):
            each.note_pushed(push_to, push(each.pipeline, push_to, branch=f"round-{each.number}"))
    msg.good(f"{loop.reason[:1].upper()}{loop.reason[1:]}. The best pipeline, of round {best.number}, is in {output / BEST}")
    return loop.history


def _tell(this: Any, best: Any) -> None:
    line, spent = this.result, sum(this.seconds.values())
    told = (
        f"Round {line['round']}: F1 {percent(line['dev']['ents_f'])} on dev with {line['gold']['words']:,} words of gold"
        f" ({line['gold']['sentences']:,} sentences), {spent / 60:.1f} minutes"
    )
    msg.info(told + (", the best so far" if best.number == this.number else ""))
