"""`convert`: CoNLL columns or LLM-made JSON to a DocBin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from typer import Argument, Option
from wasabi import msg

from ..data.conll import HUB_NAME, make_docs, read_conll, read_folder, read_hub
from ..data.docbin import Summary, write_docbin
from ..data.docs import agreed, match_words
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..data.span_alignment import read_requests
from ..evaluate.predict import HEADER, count_gold, score_rows
from ..evaluate.scorer import seqeval_score
from .app import InputError, app, corpus_files, read_corpus

# the first line of JSON; a CoNLL file may well start with a bracket as a word, but then a tag follows
_JSON_START = re.compile(r'\[?\s*(\{\s*("\w|$)|\{\}|$)|\[\s*\]')


class CorpusFormat(str, Enum):
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
        CorpusFormat, Option(help="auto goes by the suffix .json or .jsonl, else by the first line")
    ] = CorpusFormat.auto,
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
    format: CorpusFormat = CorpusFormat.auto,
    lang: str = "en",
    sents: int | None = None,
    labels: Collection[str] | None = None,
) -> tuple[Path, Summary, ProblemReport]:
    """Convert one file; give the `.spacy` file written, what it holds, and what was wrong with the input.

    Problems are written to `<output>.problems.jsonl`, even when nothing else is. The arguments are those of
    the command.

    Raises: ValueError when nothing in the input can be used or options do not go together, OSError when a
    file cannot be read or written, ImportError for a language that spaCy does not have.
    """
    if output.is_file() and output.suffix != ".spacy":
        raise ValueError(f"The output {output} is a file that does not end in .spacy. Give such a file, or a folder.")
    nlp = spacy.blank(lang)
    if format is CorpusFormat.auto:
        format = guess_format(input_path)
    path = output if output.suffix == ".spacy" and not output.is_dir() else output / f"{input_path.stem}.spacy"
    docs: Iterable[Doc]
    if format is CorpusFormat.conll:
        report = ProblemReport(str(input_path), "line")
        documents = read_conll(input_path, report, labels=labels)
        docs = make_docs(documents, nlp.vocab, sents=1 if sents is None else sents)
    elif sents is None:
        report = ProblemReport(str(input_path), "record")
        docs = read_requests(input_path, nlp, report, labels=labels)
    else:
        raise ValueError(f"--sents {sents} is for CoNLL; each JSON record becomes one Doc. Leave the option out.")
    return path, write(docs, path, report), report


def write(docs: Iterable[Doc], path: Path, report: ProblemReport) -> Summary:
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


def guess_format(path: Path) -> CorpusFormat:
    """JSON by its suffix or by the look of its first line that is not blank; anything else is CoNLL."""
    if path.suffix.lower() in (".json", ".jsonl"):
        return CorpusFormat.requests
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line.strip() for line in lines if line.strip()), "")
    return CorpusFormat.requests if first and _JSON_START.match(first) else CorpusFormat.conll


def show(path: Path, summary: Summary, report: ProblemReport) -> None:
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


@app.command("conll2003")
def conll2003_cli(
    output: Annotated[Path, Argument(help="Folder for train.spacy, dev.spacy and test.spacy", file_okay=False)],
    folder: Annotated[
        Path | None,
        Option(help=f"Folder with train.txt, valid.txt and test.txt; {HUB_NAME} from the Hub if not given"),
    ] = None,
    sents: Annotated[int, Option(help="Sentences per Doc, 0 for whole documents", min=0)] = 1,
) -> None:
    """Write CoNLL-2003 as train.spacy, dev.spacy and test.spacy, from a folder or from the Hub."""
    try:
        for path, summary, report in conll2003(output, folder=folder, sents=sents):
            show(path, summary, report)
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot convert CoNLL-2003", str(error), exits=1)


def conll2003(
    output: Path, *, folder: Path | None = None, sents: int = 1
) -> Iterator[tuple[Path, Summary, ProblemReport]]:
    """Write each split to `output`; give its file, what it holds and what was wrong, as each is done.

    Raises: OSError when the data cannot be had, ImportError without `datasets` where it is needed, and
    ValueError when more than single sentences are asked for, but the source has lost its document boundaries.
    """
    vocab = spacy.blank("en").vocab
    for name, documents, report in read_hub() if folder is None else read_folder(folder):
        if folder is None and sents != 1 and len(documents) == 1:
            raise ValueError(
                f"{report.source} has no -DOCSTART- boundaries, so --sents {sents} would join sentences of "
                "unrelated documents. Use --sents 1, or a --folder whose files have them."
            )
        path = output / f"{name}.spacy"
        yield path, write(make_docs(documents, vocab, sents=sents), path, report), report


@app.command("pair")
def pair_cli(
    silver: Annotated[Path, Argument(help="Labels of a model: a .spacy file or a folder of them")],
    gold: Annotated[Path, Argument(help="Gold data that has the same sentences among others")],
    folder: Annotated[Path, Argument(help="Folder for silver.spacy, gold.spacy and agreed.spacy", file_okay=False)],
    output: Annotated[Path | None, Option("--output", "-o", help="JSON file for the agreement")] = None,
) -> None:
    """Find the docs of a silver corpus in a gold one, by their words, and say how far their labels agree.

    FOLDER gets the docs that are in both, in the order of SILVER, once with the labels of each, and once with those
    on which both agree (agreed.spacy), where all else is left open. What has no counterpart is left out and counted.
    """
    try:
        pair(silver, gold, folder, output=output)
    except (InputError, OSError) as error:
        msg.fail("Cannot pair the corpora", str(error), exits=1)


def pair(silver: Path, gold: Path, folder: Path, *, output: Path | None = None) -> dict[str, Any]:
    """Write `silver.spacy`, `gold.spacy` and `agreed.spacy` to `folder`, and scores to `output`.

    The scores are those of `evaluate`, of silver against gold, 0 to 1; `docs` and `unmatched` count the docs of
    `silver`. Of gold docs with the same words the first is taken.

    Raises: InputError where a corpus is not there or would be replaced, or they have no doc in common, OSError where
    a file cannot be written.
    """
    targets = {name: folder / f"{name}.spacy" for name in ("silver", "gold", "agreed")}
    inputs = {file.resolve() for data in (silver, gold) for file in corpus_files(data)}
    for target in targets.values():
        if target.resolve() in inputs:
            raise InputError(f"{target} would be written over, but it is an input. Give another output folder.")
    found = list(match_words(read_corpus(silver), read_corpus(gold)))
    pairs = [(doc, other) for doc, other in found if other is not None]
    if not pairs:
        raise InputError(
            f"None of the {len(found):,} docs of {silver} has the same words as one of {gold}. Give corpora that are "
            "cut into the same sentences and words."
        )
    for name, docs in zip(("silver", "gold"), zip(*pairs, strict=True), strict=True):
        write_docbin(docs, targets[name])
    write_docbin((agreed(pair) for pair in pairs), targets["agreed"])
    examples = [Example(doc, other) for doc, other in pairs]
    scores = {**seqeval_score(examples), "docs": len(pairs), "unmatched": len(found) - len(pairs)}
    msg.good(f"{folder}: {len(pairs):,} docs with both labels")
    if scores["unmatched"]:
        msg.warn(f"{scores['unmatched']:,} docs of {silver} are not in {gold}, and are left out")
    if scores["ents_per_type"] is not None:
        msg.table(
            score_rows(scores, count_gold(examples)), header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r")
        )
    if output is not None:
        with atomic_write(output) as partial:
            srsly.write_json(partial, scores)
    return scores
