"""`python -m spacy llama-ner export`: texts with a pipeline's suggestions, for experts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from typer import Argument, Option
from wasabi import msg

from ..data.docs import unlabelled
from ..data.problems import ProblemReport
from ..experts import FORMATS, Rules, Texts, collect, open_tasks, write_tasks
from ..llm.texts import read_texts
from .app import InputError, app, load_finder, use_device
from .convert import show, write


@app.command("export")
def export_cli(
    model: Annotated[str, Argument(help="Folder or package name of the pipeline that makes suggestions")],
    texts: Annotated[Path, Argument(help="Texts: .spacy, .txt (one a line), .jsonl or .parquet")],
    output: Annotated[Path, Argument(help="Folder for the tasks", file_okay=False)],
    format: Annotated[Literal["label-studio", "prodigy", "doccano"], Option(help="The experts' tool")],
    labels: Annotated[
        str | None, Option(help="Labels to choose from, with commas between; the pipeline's if not given")
    ] = None,
    text_key: Annotated[str, Option(help="Field of a record that holds the text")] = "text",
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Write texts, with the entities that a pipeline finds as suggestions, for experts to put right.

    OUTPUT gets the file for the tool, and what `import` needs to know the texts, their words and the labels again.
    """
    try:
        use_device(gpu_id)
        count = export(model, texts, output, format=format, labels=labels, text_key=text_key)
    except (ValueError, OSError) as error:
        msg.fail("Cannot export", str(error), exits=1)
    msg.good(f"{output / FORMATS[format].file}: {count:,} texts")
    msg.text(FORMATS[format].advice)


def export(
    model: str, texts: Path, output: Path, *, format: str, labels: str | None = None, text_key: str = "text"
) -> int:
    """Write the tasks to the folder `output` and give how many there are. The arguments are those of the command.

    Entities that the texts have already play no part. Texts that are empty, or no text, are left out and named.

    Raises: InputError or ValueError where the pipeline, the texts or the labels do not fit, or `output` holds another
    export; OSError where a file cannot be written.
    """
    nlp = load_finder(model)
    shown = _split(labels) if labels is not None else _labels_of(nlp)
    if not shown:
        raise InputError("There is no label to choose from. Name some with --labels, and commas between.")
    if output.is_dir() and any(output.iterdir()):
        raise InputError(
            f"The folder {output} is not empty: experts may be at work on what is there. Give a new one."
        )
    docs: list[Doc] = []
    for number, text in read_texts(texts, nlp, text_key=text_key):
        if isinstance(text, str):
            msg.warn(f"Record {number} of {texts} is left out: {text}")
        else:
            docs.append(unlabelled(text))
    return write_tasks(nlp.pipe(docs), output, format=FORMATS[format], labels=shown)


def _split(labels: str) -> list[str]:
    return list(dict.fromkeys(label.strip() for label in labels.split(",") if label.strip()))


def _labels_of(nlp: Language) -> list[str]:
    """The labels of all components that set entities."""
    pipes = [pipe for name, pipe in nlp.pipeline if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    return list(dict.fromkeys(label for pipe in pipes for label in getattr(pipe, "labels", ())))


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
) -> ProblemReport:
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
    report = ProblemReport(", ".join(map(str, files)))
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
