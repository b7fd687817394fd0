"""`python -m spacy llama-ner import`: what experts have labelled, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import spacy
from typer import Argument, Option
from wasabi import msg

from ..data.report import Report
from ..experts import FORMATS, Rules, Texts, collect, open_tasks
from .app import app
from .convert import show, write


@app.command("import")
def import_cli(
    files: Annotated[list[Path], Argument(help="Finished files of the tool", exists=True, dir_okay=False)],
    output: Annotated[Path, Argument(help="A .spacy file for the labelled texts")],
    tasks: Annotated[Path | None, Option(help="The folder that `export` wrote, if the texts come from there")] = None,
    format: Annotated[
        Literal["auto", "label-studio", "prodigy", "doccano"], Option(help="auto goes by the look of the records")
    ] = "auto",
    labels: Annotated[
        str | None, Option(help="Labels that are allowed, with commas between; those of --tasks, else all")
    ] = None,
    partial: Annotated[
        bool, Option("--partial", help="Words outside of marks are not known, instead of being no entities")
    ] = False,
    unknown: Annotated[str | None, Option(help="A label by which experts marked what they cannot tell")] = None,
    annotator: Annotated[str | None, Option(help="Take the answers of one expert alone")] = None,
    lang: Annotated[str, Option(help="Language whose tokenizer cuts texts that come without words")] = "en",
) -> None:
    """Take back what experts have labelled, as a corpus that `spacy train` takes.

    Every label and every offset is checked against the text. An answer that does not fit is refused, and listed in
    OUTPUT.problems.jsonl with what to do about it; the others are kept. Where experts disagree, the words in question
    count as not known.
    """
    try:
        import_answers(
            files,
            output,
            tasks=tasks,
            format=None if format == "auto" else format,
            labels=labels,
            partial=partial,
            unknown=unknown,
            annotator=annotator,
            lang=lang,
        )
    except (ValueError, OSError, ImportError) as error:
        msg.fail("Cannot import", str(error), exits=1)


def import_answers(
    files: list[Path],
    output: Path,
    *,
    tasks: Path | None = None,
    format: str | None = None,
    labels: str | None = None,
    partial: bool = False,
    unknown: str | None = None,
    annotator: str | None = None,
    lang: str = "en",
) -> Report:
    """Write `output` and the list of problems beside it. The arguments are those of the command; gives the problems.

    Raises: ValueError where a file or folder cannot be used at all, or no answer is left; OSError where a file cannot
    be read or written; ImportError for a language that is not there.
    """
    if output.suffix != ".spacy" or output.is_dir():
        raise ValueError(f"The output {output} is no .spacy file. Give the name of one.")
    nlp = spacy.blank(lang)
    given = None if tasks is None else open_tasks(tasks, nlp)
    allowed = None if given is None else given.labels
    if labels is not None:
        allowed = [label.strip() for label in labels.split(",") if label.strip()]
    report = Report(", ".join(map(str, files)))
    found = collect(
        files,
        Texts(nlp) if given is None else given.texts,
        Rules(labels=allowed, unknown=unknown, partial=partial),
        report,
        format=None if format is None else FORMATS[format],
        annotator=annotator,
    )
    summary = write(found.docs, output, report)
    show(output, summary, report)
    counts = found.verdicts
    msg.info(
        f"Answers: {counts['done']:,} given, {counts['skipped']:,} skipped; {counts['open']:,} texts without one"
    )
    return report
