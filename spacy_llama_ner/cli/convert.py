"""`convert`: CoNLL columns or LLM-made JSON to a DocBin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import spacy
from spacy.tokens import Doc
from tqdm import tqdm
from typer import Argument, Option
from wasabi import msg

from ..data.conll import read_conll
from ..data.docbin import Summary, write_docbin
from ..data.report import Report
from ..data.requests import read_requests
from ..data.sentences import make_docs
from .app import app

# the first line of JSON; a CoNLL file may well start with a bracket as a word, but then a tag follows
_JSON_START = re.compile(r'\[?\s*(\{\s*("\w|$)|\{\}|$)|\[\s*\]')


class Format(str, Enum):
    """What the input is."""

    auto = "auto"
    conll = "conll"
    requests = "requests"


@app.command("convert")
def convert_cli(
    input_paths: Annotated[
        list[Path], Argument(help="Files of CoNLL columns, JSON or JSONL", exists=True, dir_okay=False)
    ],
    output: Annotated[Path, Argument(help="A .spacy file, or a folder for one of each input, named like it")],
    format: Annotated[
        Format, Option(help="auto goes by the suffix .json or .jsonl, else by the first line")
    ] = Format.auto,
    lang: Annotated[str, Option(help="Language whose tokenizer cuts the texts of JSON records")] = "en",
    sents: Annotated[
        int | None, Option(help="CoNLL: sentences per Doc, 0 for whole documents; 1 if not given", min=0)
    ] = None,
    labels: Annotated[
        str | None, Option(help="Labels that are allowed, with commas between; all if not given")
    ] = None,
) -> None:
    """Turn CoNLL columns or LLM-made JSON into spaCy's binary training format.

    What is wrong in the data is repaired or left out by fixed rules, counted here, and listed one by one in
    OUTPUT.problems.jsonl.
    """
    allowed = None if labels is None else {label.strip() for label in labels.split(",") if label.strip()}
    if len(input_paths) > len({path.stem for path in input_paths}):
        msg.fail("Cannot convert files of the same name into one folder", "Convert one at a time.", exits=1)
    if len(input_paths) > 1 and output.suffix == ".spacy":
        msg.fail(f"Cannot convert {len(input_paths)} files into {output}", "Give a folder for them.", exits=1)
    for input_path in input_paths:
        try:
            path, summary, report = convert(input_path, output, format=format, lang=lang, sents=sents, labels=allowed)
        except (ValueError, OSError, ImportError) as error:
            msg.fail(f"Cannot convert {input_path}", str(error), exits=1)
        show(path, summary, report)


def convert(
    input_path: Path,
    output: Path,
    *,
    format: Format = Format.auto,
    lang: str = "en",
    sents: int | None = None,
    labels: Collection[str] | None = None,
) -> tuple[Path, Summary, Report]:
    """Convert one file; give the `.spacy` file written, what it holds, and what was wrong with the input.

    Problems are written to `<output>.problems.jsonl`, even when nothing else is. The arguments are those of
    the command.

    Raises: ValueError when nothing in the input can be used or options do not go together, OSError when a
    file cannot be read or written, ImportError for a language that spaCy does not have.
    """
    if output.is_file() and output.suffix != ".spacy":
        raise ValueError(f"The output {output} is a file that does not end in .spacy. Give such a file, or a folder.")
    nlp = spacy.blank(lang)
    if format is Format.auto:
        format = guess_format(input_path)
    path = output if output.suffix == ".spacy" and not output.is_dir() else output / f"{input_path.stem}.spacy"
    docs: Iterable[Doc]
    if format is Format.conll:
        report = Report(str(input_path), "line")
        documents = read_conll(input_path, report, labels=labels)
        docs = make_docs(documents, nlp.vocab, sents=1 if sents is None else sents)
    elif sents is None:
        report = Report(str(input_path), "record")
        docs = read_requests(input_path, nlp, report, labels=labels)
    else:
        raise ValueError(f"--sents {sents} is for CoNLL; each JSON record becomes one Doc. Leave the option out.")
    return path, write(docs, path, report), report


def write(docs: Iterable[Doc], path: Path, report: Report) -> Summary:
    """Write a DocBin with a progress bar, and the problems beside it, even when there are no docs.

    Raises: as `write_docbin`.
    """
    try:
        return write_docbin(tqdm(docs, desc=path.name, unit=" docs", delay=2, leave=False), path)
    except ValueError as error:
        listed = f" Its problems are listed in {path.name}.problems.jsonl." if report.problems else ""
        raise ValueError(f"{error}{listed}") from error
    finally:
        report.write(path)


def guess_format(path: Path) -> Format:
    """JSON by its suffix or by the look of its first line that is not blank; anything else is CoNLL."""
    if path.suffix.lower() in (".json", ".jsonl"):
        return Format.requests
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line.strip() for line in lines if line.strip()), "")
    return Format.requests if first and _JSON_START.match(first) else Format.conll


def show(path: Path, summary: Summary, report: Report) -> None:
    """Print what was written and what was wrong."""
    sentences = f"{summary.sentences:,} sentences, " if summary.sentences >= summary.docs else ""
    total = summary.entities.total()
    msg.good(f"{path}: {summary.docs:,} docs, {sentences}{summary.tokens:,} tokens, {total:,} entities")
    if total:
        msg.table(
            [(label, f"{count:,}") for label, count in summary.entities.most_common()],
            header=("Label", "Entities"),
            aligns=("l", "r"),
            divider=True,
        )
    if report.problems:
        msg.warn(f"Problems in {report.source}: {len(report.problems):,}, listed in {path.name}.problems.jsonl")
        msg.table(
            [(problem, action, f"{count:,}") for (problem, action), count in report.counts().items()],
            header=("Problem", "What was done", "Times"),
            aligns=("l", "l", "r"),
            divider=True,
        )
