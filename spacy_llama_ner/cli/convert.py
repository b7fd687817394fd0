"""`convert`, `conll2003` and `pair`: data of other formats to .spacy files, and the same docs from two corpora."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import srsly
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from typer import Argument, Option
from wasabi import msg

from ..data.conll import HUB_NAME, make_docs, read_conll, read_conll2003_folder, read_conll2003_hub
from ..data.docbin import CorpusSummary, write_docbin
from ..data.docs import merge_annotations, pair_by_words
from ..data.errors import LlamaNERError
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..data.span_alignment import read_json_docs
from ..evaluate.predict import HEADER, count_gold, score_rows
from ..evaluate.scorer import ENTS_PER_TYPE, seqeval_score
from .app import GoldData, JsonOutput, Lang, NSents, app
from .inputs import InputError, blank_language, check_output_file, corpus_files, read_corpus

# the first line of JSON; a CoNLL file may well start with a bracket as a word, but then a tag follows
_JSON_START = re.compile(r'\[?\s*(\{\s*("\w|$)|\{\}|$)|\[\s*\]')


class CorpusFormat(str, Enum):
    """What the input is."""

    auto = "auto"
    conll = "conll"
    requests = "requests"


@app.command("convert")
def convert(
    inputs: Annotated[
        list[Path], Argument(help="Files of CoNLL columns, JSON or JSONL", exists=True, dir_okay=False)
    ],
    output: Annotated[Path, Argument(help="A .spacy file, or a folder that gets one for each input")],
    format: Annotated[
        CorpusFormat,
        Option(help="`requests` is JSON. `auto` goes by the suffix .json or .jsonl, else the first line"),
    ] = CorpusFormat.auto,
    lang: Lang = "en",
    n_sents: NSents = None,
    labels: Annotated[str | None, Option(help="Labels to keep, separated by commas. Default: all")] = None,
) -> None:
    """Convert CoNLL columns or LLM-made JSON to .spacy files.

    Errors in the data are repaired or left out by fixed rules. They are counted here, and listed one by one in
    OUTPUT.problems.jsonl.
    """
    allowed = None if labels is None else split_labels(labels)
    if len(inputs) > len({path.stem for path in inputs}):
        raise InputError("Two of the inputs have the same name, and would be one file. Convert one at a time.")
    if len(inputs) > 1 and output.suffix == ".spacy":
        raise InputError(f"{len(inputs)} files cannot become the one file {output}. Give a folder for them.")
    for path in inputs:
        convert_file(path, output, format=format, lang=lang, n_sents=n_sents, labels=allowed)


def convert_file(
    input_path: Path,
    output: Path,
    *,
    format: CorpusFormat = CorpusFormat.auto,
    lang: str = "en",
    n_sents: int | None = None,
    labels: Collection[str] | None = None,
) -> None:
    """Convert one file, and print what it holds and what was wrong with it.

    Problems are written to `<output>.problems.jsonl`, even when nothing else is. The arguments are the options of
    `convert`.

    Raises:
        LlamaNERError: If nothing in the input can be used, or options do not go together.
        OSError: If a file cannot be read or written.
    """
    if output.is_file() and output.suffix != ".spacy":
        raise InputError(f"The output {output} is a file that does not end in .spacy. Give such a file, or a folder.")
    nlp = blank_language(lang)
    if format is CorpusFormat.auto:
        format = guess_corpus_format(input_path)
    path = output if output.suffix == ".spacy" and not output.is_dir() else output / f"{input_path.stem}.spacy"
    docs: Iterable[Doc]
    if format is CorpusFormat.conll:
        report = ProblemReport(str(input_path), "line")
        documents = read_conll(input_path, report, labels=labels)
        docs = make_docs(documents, nlp.vocab, sents=1 if n_sents is None else n_sents)
    elif n_sents is None:
        report = ProblemReport(str(input_path), "record")
        docs = read_json_docs(input_path, nlp, report=report, labels=labels)
    else:
        raise InputError(f"--n-sents {n_sents} is for CoNLL; each JSON record becomes one doc. Leave the option out.")
    print_summary(path, write_corpus(docs, path, report), report)


def guess_corpus_format(path: Path) -> CorpusFormat:
    """JSON by its suffix or by the look of its first line that is not blank; anything else is CoNLL."""
    if path.suffix.lower() in (".json", ".jsonl"):
        return CorpusFormat.requests
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line.strip() for line in lines if line.strip()), "")
    return CorpusFormat.requests if first and _JSON_START.match(first) else CorpusFormat.conll


def split_labels(labels: str) -> list[str]:
    """The labels of an option, which has commas between them, each once."""
    return list(dict.fromkeys(label.strip() for label in labels.split(",") if label.strip()))


def write_corpus(docs: Iterable[Doc], path: Path, report: ProblemReport) -> CorpusSummary:
    """Write a .spacy file with a progress bar, and the problems beside it, even when there are no docs.

    Raises:
        LlamaNERError: If there are no docs.
        OSError: If a file cannot be written.
    """
    try:
        return write_docbin(tqdm(docs, desc=path.name, unit=" docs", delay=2, leave=False), path)
    except LlamaNERError as error:
        if not report.problems:
            raise
        raise InputError(f"{error} Its problems are listed in {path.name}.problems.jsonl.") from error
    finally:
        report.write(path)


def print_summary(path: Path, summary: CorpusSummary, report: ProblemReport) -> None:
    """Print what was written to `path`, and what was wrong with its input."""
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
def conll2003(
    output: Annotated[Path, Argument(help="Folder for train.spacy, dev.spacy and test.spacy", file_okay=False)],
    folder: Annotated[
        Path | None,
        Option(help=f"Folder with train.txt, valid.txt and test.txt. Default: {HUB_NAME} from the Hub"),
    ] = None,
    n_sents: NSents = None,
) -> None:
    """Convert CoNLL-2003, from a folder or from the Hub."""
    vocab = blank_language("en").vocab
    sents = 1 if n_sents is None else n_sents
    for name, documents, report in read_conll2003_hub() if folder is None else read_conll2003_folder(folder):
        if folder is None and sents != 1 and len(documents) == 1:
            raise InputError(
                f"{report.source} has no -DOCSTART- boundaries, so --n-sents {sents} would join sentences of "
                "unrelated documents. Use --n-sents 1, or a --folder whose files have them."
            )
        path = output / f"{name}.spacy"
        print_summary(path, write_corpus(make_docs(documents, vocab, sents=sents), path, report), report)


@app.command("pair")
def pair(
    silver: Annotated[Path, Argument(help="Labels of a model: a .spacy file or a folder of them")],
    gold: GoldData,
    folder: Annotated[Path, Argument(help="Folder for silver.spacy, gold.spacy and agreed.spacy", file_okay=False)],
    output: JsonOutput = None,
) -> dict[str, Any]:
    """Pair the docs of two corpora, and score their agreement.

    Docs belong together when they have the same words; of gold docs with the same words the first is taken. FOLDER
    gets the docs that are in both corpora, in the order of SILVER: with the labels of each, and with the labels on
    which both agree (agreed.spacy), where all other words are missing values. Docs in SILVER alone are left out and
    counted. The agreement is the score of SILVER against GOLD.
    """
    check_output_file(output, ".json")
    targets = {name: folder / f"{name}.spacy" for name in ("silver", "gold", "agreed")}
    inputs = {file.resolve() for data in (silver, gold) for file in corpus_files(data)}
    for target in targets.values():
        if target.resolve() in inputs:
            raise InputError(f"{target} would be written over, but it is an input. Give another output folder.")
    found = list(pair_by_words(read_corpus(silver), read_corpus(gold)))
    pairs = [(doc, other) for doc, other in found if other is not None]
    if not pairs:
        raise InputError(
            f"None of the {len(found):,} docs of {silver} has the same words as one of {gold}. Give corpora that are "
            "cut into the same sentences and words."
        )
    for name, docs in zip(("silver", "gold"), zip(*pairs, strict=True), strict=True):
        write_docbin(docs, targets[name])
    write_docbin((merge_annotations(pair) for pair in pairs), targets["agreed"])
    examples = [Example(doc, other) for doc, other in pairs]
    scores = {**seqeval_score(examples), "docs": len(pairs), "unmatched": len(found) - len(pairs)}
    msg.good(f"{folder}: {len(pairs):,} docs with both labels")
    if scores["unmatched"]:
        msg.warn(f"{scores['unmatched']:,} docs of {silver} are not in {gold}, and are left out")
    if scores[ENTS_PER_TYPE] is not None:
        msg.table(
            score_rows(scores, count_gold(examples)), header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r")
        )
    if output is not None:
        with atomic_write(output) as partial:
            srsly.write_json(partial, scores)
    return scores
