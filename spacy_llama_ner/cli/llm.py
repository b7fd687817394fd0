"""`annotate` and `generate`: a language model labels texts, or writes labelled ones.

`LlmOptions` and `open_run` are also what `compare-prompts` asks with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import srsly
from typer import Argument, Option
from wasabi import msg

from ..data.docbin import write_docbin
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..llm.backends.openai import KEY_VARIABLE
from ..llm.backends.registry import open_backend
from ..llm.examples import STRATEGIES, WORDS, make_selector
from ..llm.labelling import Labeller, label_texts, read_labels, summarize_run
from ..llm.pricing import read_prices
from ..llm.prompts import LabellingPrompt, prompt_names
from ..llm.reply_log import ReplyLog
from ..llm.runner import Progress, RetryPolicy, Runner
from ..llm.synthesis import (
    SynthesisResult,
    generate_docs,
    get_topics,
    read_synthesis_config,
    split_docs,
    write_records,
)
from ..llm.texts import count_texts, read_texts
from .app import (
    Attempts,
    BaseUrl,
    Concurrency,
    Examples,
    KeyVariable,
    Lang,
    LlmName,
    MaxFailed,
    MaxTokens,
    Prices,
    Retries,
    Shots,
    SpacyOutput,
    TextKey,
    Texts,
    Timeout,
    app,
)
from .convert import print_summary
from .inputs import InputError, blank_language, check_output_file, read_docs


@dataclass(frozen=True)
class LlmOptions:
    """How a language model is asked: the options that the commands have in common, with their defaults.

    Attributes:
        model: Name of the model on its server.
        base_url: The server; "local" for a model in this process, None for OpenAI.
        key_variable: Environment variable that holds the server's key.
        timeout: Seconds to wait for a reply.
        concurrency: Open requests at a time.
        attempts: Replies to a question until one is usable.
        retries: Repetitions of a request that got no reply.
        prices: Price list; no costs are shown without one.
    """

    model: str
    base_url: str | None = None
    key_variable: str = KEY_VARIABLE
    timeout: float = 120.0
    concurrency: int = 8
    attempts: int = RetryPolicy.max_attempts
    retries: int = RetryPolicy.max_retries
    prices: Path | None = None


@contextmanager
def open_run(options: LlmOptions, log: Path, progress: Progress) -> Iterator[Runner]:
    """Give a runner that logs each reply; at the end, even after an error, print what was asked and what it cost.

    Args:
        options: How the model is asked.
        log: File of the replies, which are not asked for again.
        progress: Counts and shows what is done; it gets the prices of the model.

    Raises:
        LlamaNERError: If the server, the price list or the log cannot be used.
        OSError: If the log cannot be written.
    """
    backend = open_backend(
        options.model, base_url=options.base_url, key_variable=options.key_variable, timeout=options.timeout
    )
    if options.prices is not None:
        progress.prices = read_prices(options.prices).model_price(backend.model)
    policy = RetryPolicy(max_attempts=options.attempts, max_retries=options.retries)
    with ReplyLog(log) as replies:
        if replies.dropped:
            msg.warn(f"{replies.dropped} lines of {log} were not whole; their questions are asked again")
        with Runner(
            backend, replies, concurrency=options.concurrency, retry_policy=policy, progress=progress
        ) as runner:
            try:
                yield runner
            finally:
                progress.close()
                _print_stats(runner)


def _print_stats(runner: Runner) -> None:
    stats = runner.progress.stats
    cost = "" if runner.progress.cost is None else f", cost {runner.progress.cost:.2f}"
    known = f" and {stats.logged_replies:,} known from before" if stats.logged_replies else ""
    msg.info(
        f"{stats.new_replies:,} replies{known} to {stats.finished:,} questions: "
        f"{stats.input_tokens:,} tokens in, {stats.output_tokens:,} out{cost}"
    )
    rows = [(reason, "no reply, asked again", f"{count:,}") for reason, count in stats.request_errors.most_common()]
    rows += [(reason, "reply not usable", f"{count:,}") for reason, count in stats.rejections.most_common()]
    if rows:
        msg.table(rows, header=("Fault", "What it is", "Times"), aligns=("l", "l", "r"), divider=True)


def _check_failures(runner: Runner, max_failed: float) -> None:
    stats = runner.progress.stats
    if stats.failed > max_failed * stats.finished:
        raise InputError(
            f"{stats.failed:,} of {stats.finished:,} questions got no usable reply, more than --max-failed "
            f"{max_failed:g} allows. The others are written. Give the same command again to ask those that got none, "
            "with more --attempts for the others."
        )


@app.command("annotate")
def annotate(
    texts: Texts,
    output: SpacyOutput,
    labels: Annotated[str, Option(help="Labels, separated by commas, or a .cfg file with a section [labels]")],
    model: LlmName,
    base_url: BaseUrl = None,
    prompt: Annotated[str, Option(help=f"A .jinja file, or one of {', '.join(prompt_names())}")] = "brackets",
    examples: Examples = None,
    shots: Shots = 5,
    choose: Annotated[str, Option(help=f"How to choose examples: {STRATEGIES}")] = WORDS,
    lang: Lang = "en",
    text_key: TextKey = "text",
    key_variable: KeyVariable = LlmOptions.key_variable,
    timeout: Timeout = LlmOptions.timeout,
    concurrency: Concurrency = LlmOptions.concurrency,
    attempts: Attempts = LlmOptions.attempts,
    retries: Retries = LlmOptions.retries,
    max_tokens: MaxTokens = None,
    max_failed: MaxFailed = 0.05,
    prices: Prices = None,
    replies: Annotated[Path | None, Option(help="Log of the replies. Default: OUTPUT.replies.jsonl")] = None,
) -> None:
    """Label texts with a language model, as silver data.

    Each reply is logged before it is used: give the same command again to continue a run that was stopped. It asks
    nothing twice. Texts without a usable reply are left out. Errors are counted here and in OUTPUT.report.json, and
    listed in OUTPUT.problems.jsonl.
    """
    check_output_file(output, ".spacy")
    descriptions = read_labels(labels)
    options = LlmOptions(model, base_url, key_variable, timeout, concurrency, attempts, retries, prices)
    nlp = blank_language(lang)
    selector = None
    if examples is not None:
        selector = make_selector(read_docs(examples), shots=shots, by=choose, labels=descriptions)
    labeller = Labeller(
        LabellingPrompt(prompt),
        descriptions,
        select_examples=None if selector is None else selector.select,
        max_tokens=max_tokens,
    )
    report = ProblemReport(str(texts), "line" if texts.suffix in (".txt", ".jsonl") else "record")
    log = replies or output.with_name(f"{output.name}.replies.jsonl")
    with open_run(options, log, Progress(total=count_texts(texts), unit="texts")) as runner:
        docs = label_texts(read_texts(texts, nlp, text_key=text_key), labeller, runner, report)
        try:
            summary = write_docbin(docs, output)
        finally:
            report.write(output)
    with atomic_write(output.with_name(f"{output.name}.report.json")) as partial:
        head = {"model": model, "prompt": prompt, "labels": list(descriptions)}
        srsly.write_json(partial, {**head, **summarize_run(runner, report, summary)})
    print_summary(output, summary, report)
    _check_failures(runner, max_failed)


@app.command("generate")
def generate(
    config: Annotated[Path, Argument(help="A .cfg file with [labels] and, if you like, [generate]", dir_okay=False)],
    output: Annotated[Path, Argument(help="Folder for train.json, dev.json, rejects.jsonl and report.json")],
    model: LlmName,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = LlmOptions.key_variable,
    timeout: Timeout = LlmOptions.timeout,
    concurrency: Concurrency = LlmOptions.concurrency,
    attempts: Attempts = LlmOptions.attempts,
    retries: Retries = LlmOptions.retries,
    max_failed: MaxFailed = 0.05,
    prices: Prices = None,
) -> None:
    """Write labelled texts with a language model.

    They are records for `convert`. Each text is checked; rejects.jsonl lists what was rejected and why. Each reply is
    logged before it is used: give the same command again to continue a run that was stopped. It asks nothing twice.
    """
    synthesis = read_synthesis_config(config)
    options = LlmOptions(model, base_url, key_variable, timeout, concurrency, attempts, retries, prices)
    nlp = blank_language(synthesis.language)
    with open_run(options, output / "replies.jsonl", Progress(total=0, unit="questions")) as runner:
        topics = get_topics(synthesis, runner)
        if not topics:
            msg.warn("The model named no topics. Name some in the config, for more variety: topics = [...]")
        result = generate_docs(synthesis, nlp, runner, topics)
    with atomic_write(output / "rejects.jsonl") as partial:
        srsly.write_jsonl(partial, [*result.rejects, *result.unanswered])
    parts = split_docs(result.docs, synthesis)
    sizes = {name: len(docs) for name, docs in parts.items()}
    with atomic_write(output / "report.json") as partial:
        head = {"model": model, "labels": synthesis.labels, "topics": topics, "records": sizes}
        about = summarize_run(runner, ProblemReport(str(output)))
        srsly.write_json(partial, {**head, "rejects": result.reasons(), **about})
    if not result.docs:
        raise InputError(
            f"No text came out: {len(result.rejects)} were rejected, {runner.progress.stats.failed} questions got no "
            f"usable reply. See {output / 'rejects.jsonl'}, and try another model."
        )
    for name, docs in parts.items():
        if docs:
            write_records(docs, output / f"{name}.json")
        else:
            # of an earlier runner, whose texts may be in another part now
            (output / f"{name}.json").unlink(missing_ok=True)
    _print_result(output, sizes, result)
    if len(result.docs) < synthesis.count:
        raise InputError(
            f"There are {len(result.docs)} records, not {synthesis.count}: the model's texts are rejected too often. "
            f"See {output / 'rejects.jsonl'}, and give more topics, clearer labels or another model."
        )
    _check_failures(runner, max_failed)


def _print_result(output: Path, sizes: dict[str, int], result: SynthesisResult) -> None:
    total = sum(len(doc.ents) for doc in result.docs)
    msg.good(f"{output}: {sizes['train']:,} records to train, {sizes['dev']:,} for dev, {total:,} entities")
    if result.rejects:
        rows = [(reason, f"{count:,}") for reason, count in result.reasons().items()]
        msg.warn(f"Rejected texts: {len(result.rejects):,}, listed in rejects.jsonl")
        msg.table(rows, header=("Reason", "Texts"), aligns=("l", "r"), divider=True)
