"""What the commands that ask a language model have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import spacy
import srsly
from typer import Argument, Option
from wasabi import msg

from ..data.docbin import write_docbin
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..llm.backends.open import open_backend
from ..llm.backends.openai import KEY_VARIABLE
from ..llm.examples import WAYS, WORDS, choose_examples
from ..llm.labelling import Labeller, account, label_texts, read_labels
from ..llm.pricing import read_prices
from ..llm.prompts import Prompt, prompt_names
from ..llm.reply_log import ReplyLog
from ..llm.runner import Progress, RetryPolicy, Runner
from ..llm.synthesis import Recipe, SyntheticDoc, ask_topics, generate, read_recipe, split, write_records
from ..llm.texts import count_texts, read_texts
from . import llm as options
from .app import app, read_docs
from .convert import show

Model = Annotated[str, Option("--model", "-m", help="Model, by the name that the server has for it")]
BaseUrl = Annotated[
    str | None,
    Option(
        help="OpenAI-compatible server, such as http://localhost:8000/v1, or `local` for a base in this process; "
        "OpenAI's own if not given"
    ),
]
KeyVariable = Annotated[str, Option(help="Environment variable with the server's key, if it wants one")]
Timeout = Annotated[float, Option(min=0.1, help="Seconds to wait for a reply")]
Concurrency = Annotated[int, Option(min=1, help="Requests under way at a time")]
Attempts = Annotated[int, Option(min=1, help="Replies that one question may cost, where they cannot be used")]
Retries = Annotated[int, Option(min=0, help="Requests made again where there was no reply, with growing waits")]
Shots = Annotated[int, Option(min=1, help="How many examples the model gets to see")]
MaxTokens = Annotated[int | None, Option(min=1, help="Longest reply; fits the text if not given")]
Prices = Annotated[Path | None, Option(help="Price list, such as assets/prices.yml; without it no cost is told")]
MaxFailed = Annotated[
    float, Option(min=0, max=1, help="Share of questions without a usable reply above which the command fails")
]
MaxUnanswered = Annotated[
    float, Option(min=0, max=1, help="Share of texts without any reply above which the command fails")
]


@dataclass(frozen=True)
class Asking:
    """How a model is asked; the options of the commands."""

    model: str
    base_url: str | None = None
    key_variable: str = KEY_VARIABLE
    timeout: float = 120.0
    concurrency: int = 8
    attempts: int = 3
    retries: int = 6
    prices: Path | None = None


@contextmanager
def open_run(asking: Asking, log: Path, progress: Progress) -> Iterator[Runner]:
    """A run that logs to `log`; what it took is told however it ends.

    Raises: ValueError, OSError, ImportError, as its parts do.
    """
    backend = open_backend(
        asking.model, base_url=asking.base_url, key_variable=asking.key_variable, timeout=asking.timeout
    )
    if asking.prices is not None:
        progress.prices = read_prices(asking.prices).of(backend.model)
    patience = RetryPolicy(attempts=asking.attempts, retries=asking.retries)
    with ReplyLog(log) as replies:
        if replies.dropped:
            msg.warn(f"{replies.dropped} lines of {log} were not whole; their questions are asked again")
        with Runner(backend, replies, concurrency=asking.concurrency, patience=patience, progress=progress) as run:
            try:
                yield run
            finally:
                progress.close()
                show_tally(run)


def show_tally(run: Runner) -> None:
    """Print what was asked, what it cost, and what went wrong."""
    tally = run.progress.tally
    cost = "" if run.progress.cost is None else f", cost {run.progress.cost:.2f}"
    known = f" and {tally.logged:,} known from before" if tally.logged else ""
    msg.info(
        f"{tally.asked:,} replies{known} to {tally.settled:,} questions: "
        f"{tally.input_tokens:,} tokens in, {tally.output_tokens:,} out{cost}"
    )
    rows = [(reason, "no reply, asked again", f"{count:,}") for reason, count in tally.trouble.most_common()]
    rows += [(reason, "reply not usable", f"{count:,}") for reason, count in tally.rejected.most_common()]
    if rows:
        msg.table(rows, header=("Fault", "What it is", "Times"), aligns=("l", "l", "r"), divider=True)


def failed_too_often(run: Runner, max_failed: float) -> str | None:
    """What to say where more questions failed than may; None where they did not."""
    tally = run.progress.tally
    if tally.failed <= max_failed * tally.settled:
        return None
    return (
        f"{tally.failed:,} of {tally.settled:,} questions got no usable reply, more than --max-failed {max_failed:g} "
        "allows. Give the same command again to ask those that got none, with more --attempts for the others."
    )


ANNOTATE_TITLE = "Cannot annotate"


@app.command("annotate")
def annotate_cli(
    texts: Annotated[Path, Argument(help="Texts: .txt (one a line), .jsonl, .parquet or .spacy")],
    output: Annotated[Path, Argument(help="A .spacy file for the labelled texts")],
    labels: Annotated[str, Option(help="Labels with commas between, or a .cfg file with a section [labels]")],
    model: options.Model,
    base_url: options.BaseUrl = None,
    prompt: Annotated[str, Option(help=f"A .jinja file, or one of: {', '.join(prompt_names())}")] = "brackets",
    examples: Annotated[Path | None, Option(help="A .spacy file of gold docs to take solved examples from")] = None,
    shots: options.Shots = 5,
    choose: Annotated[str, Option(help=f"How examples are chosen: {WAYS}")] = WORDS,
    lang: Annotated[str, Option(help="Language whose tokenizer cuts texts that are not tokenised")] = "en",
    text_key: Annotated[str, Option(help="Field of a record that holds the text")] = "text",
    key_variable: options.KeyVariable = KEY_VARIABLE,
    timeout: options.Timeout = 120.0,
    concurrency: options.Concurrency = 8,
    attempts: options.Attempts = 3,
    retries: options.Retries = 6,
    max_tokens: options.MaxTokens = None,
    max_failed: options.MaxFailed = 0.05,
    prices: options.Prices = None,
    replies: Annotated[Path | None, Option(help="Log of replies [OUTPUT.replies.jsonl]")] = None,
) -> None:
    """Let a language model label texts, and write them as a silver corpus that `spacy train` takes.

    Each reply is logged before it is used: a run that was stopped goes on where it was when the same command is
    given again, and asks nothing twice. What was wrong is counted here and in OUTPUT.report.json, and listed in
    OUTPUT.problems.jsonl.
    """
    asking = Asking(model, base_url, key_variable, timeout, concurrency, attempts, retries, prices)
    try:
        failure = annotate(
            texts,
            output,
            labels=read_labels(labels),
            asking=asking,
            prompt=prompt,
            examples=examples,
            shots=shots,
            choose=choose,
            lang=lang,
            text_key=text_key,
            max_tokens=max_tokens,
            max_failed=max_failed,
            replies=replies,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail(ANNOTATE_TITLE, str(error), exits=1)
    if failure is not None:
        msg.fail("Too many texts got no labels", failure, exits=1)


def annotate(
    texts: Path,
    output: Path,
    *,
    labels: Mapping[str, str],
    asking: Asking,
    prompt: str = "brackets",
    examples: Path | None = None,
    shots: int = 5,
    choose: str = WORDS,
    lang: str = "en",
    text_key: str = "text",
    max_tokens: int | None = None,
    max_failed: float = 0.05,
    replies: Path | None = None,
) -> str | None:
    """Label the texts and write `output`, its report and its problems. The arguments are those of the command.

    Texts without a usable reply are left out. Returns what to say if they are too many, otherwise None.

    Raises: ValueError where something given does not fit or the server refuses, OSError where a file cannot be
    written, ImportError for a language or package that is not there.
    """
    if output.suffix != ".spacy" or output.is_dir():
        raise ValueError(f"The output {output} is no .spacy file. Give the name of one.")
    nlp = spacy.blank(lang)
    pool = None
    if examples is not None:
        pool = choose_examples(read_docs(examples), shots=shots, by=choose, labels=labels)
    labeller = Labeller(
        Prompt(prompt),
        labels,
        examples_for=None if pool is None else pool.examples_for,
        max_tokens=max_tokens,
    )
    report = ProblemReport(str(texts), "line" if texts.suffix in (".txt", ".jsonl") else "record")
    log = replies or output.with_name(f"{output.name}.replies.jsonl")
    with open_run(asking, log, Progress(total=count_texts(texts), unit="texts")) as run:
        docs = label_texts(read_texts(texts, nlp, text_key=text_key), labeller, run, report)
        try:
            summary = write_docbin(docs, output)
        finally:
            report.write(output)
    with atomic_write(output.with_name(f"{output.name}.report.json")) as partial:
        head = {"model": asking.model, "prompt": prompt, "labels": list(labels)}
        srsly.write_json(partial, {**head, **account(run, report, summary)})
    show(output, summary, report)
    return failed_too_often(run, max_failed)


GENERATE_TITLE = "Cannot generate"


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
        msg.fail(GENERATE_TITLE, str(error), exits=1)
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
    with atomic_write(output / "rejects.jsonl") as partial:
        srsly.write_jsonl(partial, [*written.rejects, *written.unanswered])
    parts = split(written.docs, recipe)
    sizes = {name: len(docs) for name, docs in parts.items()}
    with atomic_write(output / "report.json") as partial:
        head = {"model": asking.model, "labels": recipe.labels, "topics": topics, "records": sizes}
        srsly.write_json(partial, {**head, "rejects": written.reasons(), **account(run, ProblemReport(str(output)))})
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


def _show(output: Path, sizes: dict[str, int], written: SyntheticDoc) -> None:
    total = sum(len(doc.ents) for doc in written.docs)
    msg.good(f"{output}: {sizes['train']:,} records to train, {sizes['dev']:,} for dev, {total:,} entities")
    if written.rejects:
        rows = [(reason, f"{count:,}") for reason, count in written.reasons().items()]
        msg.warn(f"Rejected texts: {len(written.rejects):,}, listed in rejects.jsonl")
        msg.table(rows, header=("Reason", "Texts"), aligns=("l", "r"), divider=True)
