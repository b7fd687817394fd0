"""`python -m spacy llama-ner export`: texts with a pipeline's suggestions, for experts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from spacy.language import Language
from spacy.tokens import Doc
from typer import Argument, Option
from wasabi import msg

from ..annotate.texts import read_texts
from ..data.copies import unlabelled
from ..experts import FORMATS, write_tasks
from .app import app
from .inputs import InputError, load_finder, use_device


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
