"""What the commands that ask a language model have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option
from wasabi import msg

from ..annotate.backends import open_backend
from ..annotate.cost import read_prices
from ..annotate.jobs import Patience
from ..annotate.openai_backend import KEY_VARIABLE
from ..annotate.progress import Progress
from ..annotate.replies import ReplyLog
from ..annotate.run import Run

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
def open_run(asking: Asking, log: Path, progress: Progress) -> Iterator[Run]:
    """A run that logs to `log`; what it took is told however it ends.

    Raises: ValueError, OSError, ImportError, as its parts do.
    """
    backend = open_backend(
        asking.model, base_url=asking.base_url, key_variable=asking.key_variable, timeout=asking.timeout
    )
    if asking.prices is not None:
        progress.prices = read_prices(asking.prices).of(backend.model)
    patience = Patience(attempts=asking.attempts, retries=asking.retries)
    with ReplyLog(log) as replies:
        if replies.dropped:
            msg.warn(f"{replies.dropped} lines of {log} were not whole; their questions are asked again")
        with Run(backend, replies, concurrency=asking.concurrency, patience=patience, progress=progress) as run:
            try:
                yield run
            finally:
                progress.close()
                show_tally(run)


def show_tally(run: Run) -> None:
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


def failed_too_often(run: Run, max_failed: float) -> str | None:
    """What to say where more questions failed than may; None where they did not."""
    tally = run.progress.tally
    if tally.failed <= max_failed * tally.settled:
        return None
    return (
        f"{tally.failed:,} of {tally.settled:,} questions got no usable reply, more than --max-failed {max_failed:g} "
        "allows. Give the same command again to ask those that got none, with more --attempts for the others."
    )
