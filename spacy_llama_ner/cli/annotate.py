"""`python -m spacy llama-ner annotate`: texts labelled by a language model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import spacy
import srsly
from typer import Argument, Option
from wasabi import msg

from ..annotate.labeller import Labeller
from ..annotate.labels import read_labels
from ..annotate.openai_backend import KEY_VARIABLE
from ..annotate.progress import Progress
from ..annotate.prompts import Prompt, prompt_names
from ..annotate.retrieval import WAYS, WORDS, choose_examples
from ..annotate.silver import account, label_texts
from ..annotate.texts import count_texts, read_texts
from ..data.docbin import write_docbin
from ..data.files import written_whole
from ..data.report import Report
from . import asking as options
from .app import app
from .asking import Asking, failed_too_often, open_run
from .convert import show
from .inputs import read_docs

TITLE = "Cannot annotate"


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
        msg.fail(TITLE, str(error), exits=1)
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
    report = Report(str(texts), "line" if texts.suffix in (".txt", ".jsonl") else "record")
    log = replies or output.with_name(f"{output.name}.replies.jsonl")
    with open_run(asking, log, Progress(total=count_texts(texts), unit="texts")) as run:
        docs = label_texts(read_texts(texts, nlp, text_key=text_key), labeller, run, report)
        try:
            summary = write_docbin(docs, output)
        finally:
            report.write(output)
    with written_whole(output.with_name(f"{output.name}.report.json")) as partial:
        head = {"model": asking.model, "prompt": prompt, "labels": list(labels)}
        srsly.write_json(partial, {**head, **account(run, report, summary)})
    show(output, summary, report)
    return failed_too_often(run, max_failed)
