"""`python -m spacy llama-ner generate`: a labelled data set written by a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import srsly
from typer import Argument
from wasabi import msg

from ..annotate.generate import Written, ask_topics, generate, split, write_records
from ..annotate.openai_backend import KEY_VARIABLE
from ..annotate.progress import Progress
from ..annotate.recipe import Recipe, read_recipe
from ..annotate.silver import account
from ..data.files import written_whole
from ..data.report import Report
from . import asking as options
from .app import app
from .asking import Asking, failed_too_often, open_run

TITLE = "Cannot generate"


@app.command("generate")
def generate_cli(
    config: Annotated[Path, Argument(help="A .cfg file with [labels] and, if you like, [generate]", dir_okay=False)],
    output: Annotated[Path, Argument(help="Folder for train.json, dev.json and what else comes out")],
    model: options.Model,
    base_url: options.BaseUrl = None,
    key_variable: options.KeyVariable = KEY_VARIABLE,
    timeout: options.Timeout = 120.0,
    concurrency: options.Concurrency = 8,
    attempts: options.Attempts = 3,
    retries: options.Retries = 6,
    max_failed: options.MaxFailed = 0.05,
    prices: options.Prices = None,
) -> None:
    """Let a language model write labelled texts, as records that `convert` takes.

    Each text is checked; what was rejected is in rejects.jsonl, with the reason. Each reply is logged before it is
    used: a run that was stopped goes on where it was when the same command is given again, and asks nothing twice.
    """
    asking = Asking(model, base_url, key_variable, timeout, concurrency, attempts, retries, prices)
    try:
        failure = write_data_set(read_recipe(config), output, asking=asking, max_failed=max_failed)
    except (ValueError, OSError, ImportError) as error:
        msg.fail(TITLE, str(error), exits=1)
    if failure is not None:
        msg.fail("The data set is not what it should be", failure, exits=1)


def write_data_set(recipe: Recipe, output: Path, *, asking: Asking, max_failed: float = 0.05) -> str | None:
    """Write train.json, dev.json, rejects.jsonl and report.json to the folder `output`.

    Returns what to say where there are too few records or too many questions failed, otherwise None.
    Raises: ValueError where the server refuses or nothing at all came out, OSError where a file cannot be written,
    ImportError for a language or package that is not there.
    """
    nlp = spacy.blank(recipe.language)
    with open_run(asking, output / "replies.jsonl", Progress(total=0, unit="questions")) as run:
        topics = ask_topics(recipe, run)
        if not topics:
            msg.warn("The model named no topics. Name some in the config, for more variety: topics = [...]")
        written = generate(recipe, nlp, run, topics)
    with written_whole(output / "rejects.jsonl") as partial:
        srsly.write_jsonl(partial, [*written.rejects, *written.unanswered])
    parts = split(written.docs, recipe)
    sizes = {name: len(docs) for name, docs in parts.items()}
    with written_whole(output / "report.json") as partial:
        head = {"model": asking.model, "labels": recipe.labels, "topics": topics, "records": sizes}
        srsly.write_json(partial, {**head, "rejects": written.reasons(), **account(run, Report(str(output)))})
    if not written.docs:
        raise ValueError(
            f"No text came out: {len(written.rejects)} were rejected, {run.progress.tally.failed} questions got no "
            f"usable reply. See {output / 'rejects.jsonl'}, and try another model."
        )
    for name, docs in parts.items():
        if docs:
            write_records(docs, output / f"{name}.json")
        else:
            # of an earlier run, whose texts may be in another part now
            (output / f"{name}.json").unlink(missing_ok=True)
    _show(output, sizes, written)
    if len(written.docs) < recipe.count:
        return (
            f"There are {len(written.docs)} records, not {recipe.count}: the model's texts are rejected too often. "
            f"See {output / 'rejects.jsonl'}, and give more topics, clearer labels or another model."
        )
    return failed_too_often(run, max_failed)


def _show(output: Path, sizes: dict[str, int], written: Written) -> None:
    total = sum(len(doc.ents) for doc in written.docs)
    msg.good(f"{output}: {sizes['train']:,} records to train, {sizes['dev']:,} for dev, {total:,} entities")
    if written.rejects:
        rows = [(reason, f"{count:,}") for reason, count in written.reasons().items()]
        msg.warn(f"Rejected texts: {len(written.rejects):,}, listed in rejects.jsonl")
        msg.table(rows, header=("Reason", "Texts"), aligns=("l", "r"), divider=True)
