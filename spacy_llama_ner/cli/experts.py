"""`export` and `import`: texts go to experts with suggestions, and come back with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from spacy.cli._util import import_code
from spacy.tokens import Doc
from typer import Argument, Option
from wasabi import msg

from ..data.docs import unlabelled
from ..data.problems import ProblemReport
from ..experts import TASK_FORMATS, AnnotationRules, ExportedTexts, collect, read_export, write_export
from ..llm.texts import read_texts
from .app import Code, GpuId, Lang, Pipeline, SpacyOutput, TextKey, Texts, app
from .convert import print_summary, split_labels, write_corpus
from .inputs import (
    InputError,
    blank_language,
    check_output_file,
    entity_setters,
    load_entity_pipeline,
    use_device,
)


@app.command("export")
def export(
    model: Pipeline,
    texts: Texts,
    output: Annotated[Path, Argument(help="Folder for the tasks", file_okay=False)],
    format: Annotated[Literal["label-studio", "prodigy", "doccano"], Option(help="The experts' tool")],
    labels: Annotated[
        str | None, Option(help="Labels to choose from, separated by commas. Default: the pipeline's")
    ] = None,
    text_key: TextKey = "text",
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Export texts with suggestions for an annotation tool.

    The suggestions are the entities that the pipeline finds; entities that the texts have already are left out.
    OUTPUT gets the file for the tool, and the texts, words and labels for `import --tasks`.
    """
    import_code(code)
    use_device(gpu_id)
    nlp = load_entity_pipeline(model)
    if labels is None:
        choices = list(dict.fromkeys(label for pipe in entity_setters(nlp) for label in getattr(pipe, "labels", ())))
    else:
        choices = split_labels(labels)
    if not choices:
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
    task_format = TASK_FORMATS[format]
    count = write_export(nlp.pipe(docs), output, format=task_format, labels=choices)
    msg.good(f"{output / task_format.filename}: {count:,} texts")
    msg.text(task_format.instructions)


@app.command("import")
def import_annotations(
    files: Annotated[list[Path], Argument(help="Files that the tool exported", exists=True, dir_okay=False)],
    output: SpacyOutput,
    tasks: Annotated[Path | None, Option(help="Folder that `export` wrote, if the texts come from there")] = None,
    format: Annotated[
        Literal["auto", "label-studio", "prodigy", "doccano"],
        Option(help="The experts' tool; auto looks at the records"),
    ] = "auto",
    labels: Annotated[
        str | None, Option(help="Labels to allow, separated by commas. Default: those of --tasks, else all")
    ] = None,
    partial: Annotated[
        bool, Option("--partial", help="Words without a label are missing values, instead of being no entity")
    ] = False,
    unknown: Annotated[str | None, Option(help="Label that experts give to what they cannot tell")] = None,
    annotator: Annotated[str | None, Option(help="Take the annotations of this expert alone")] = None,
    lang: Lang = "en",
) -> None:
    """Import what experts labelled, as a .spacy file.

    Every label and every offset is checked against the text. An annotation that does not fit is refused, and listed
    in OUTPUT.problems.jsonl with what to do about it; the others are kept. Words on which experts disagree are
    missing values.
    """
    check_output_file(output, ".spacy")
    nlp = blank_language(lang)
    exported = None if tasks is None else read_export(tasks, nlp)
    allowed = None if exported is None else exported.labels
    if labels is not None:
        allowed = split_labels(labels)
    report = ProblemReport(", ".join(map(str, files)))
    found = collect(
        files,
        ExportedTexts(nlp) if exported is None else exported.texts,
        AnnotationRules(labels=allowed, unknown=unknown, partial=partial),
        report,
        format=None if format == "auto" else TASK_FORMATS[format],
        annotator=annotator,
    )
    print_summary(output, write_corpus(found.docs, output, report), report)
    counts = found.statuses
    msg.info(
        f"Annotations: {counts['done']:,} given, {counts['skipped']:,} skipped; {counts['open']:,} texts without one"
    )
