"""`report` and `show`: HTML pages about a pipeline on gold data, or about a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from spacy.cli._util import import_code
from typer import Argument, Option
from wasabi import msg

from ..data.files import write_page
from ..evaluate.corpus_stats import describe
from ..evaluate.learning_curves import read_curve
from ..evaluate.matching import mention
from ..evaluate.predict import predict_and_score, score_groups
from ..report import render_corpus_report, render_pipeline_report, render_predictions
from .app import Code, GoldData, GpuId, PageOutput, Pipeline, app
from .evaluate import show_scores
from .inputs import (
    InputError,
    check_output_file,
    corpus_files,
    load_entity_pipeline,
    read_docs,
    read_examples,
    read_training_docs,
    use_device,
)

SENTENCES = 100


@app.command("report")
def report_cli(
    places: Annotated[
        list[str], Argument(metavar="[MODEL DATA] OUTPUT", help="Pipeline, gold data, and the HTML file to write")
    ],
    data: Annotated[
        list[Path] | None,
        Option(
            "--data", "-d", help="Report on this corpus instead: a .spacy file or a folder of them. Repeat for more"
        ),
    ] = None,
    train: Annotated[
        Path | None,
        Option("--train", "-t", help="Training data or config.cfg, to tell seen entities from unseen ones"),
    ] = None,
    curve: Annotated[
        list[Path] | None,
        Option(
            "--curve", help="JSONL file with the learning curves. Repeat for those of other trainings, to compare"
        ),
    ] = None,
    scores: Annotated[
        Path | None, Option("--scores", "-s", help="JSON file for the scores, as `evaluate` writes it")
    ] = None,
    limit: Annotated[
        int | None,
        Option("--limit", "-l", min=1, help=f"Sentences to show, the worst first. Default: {SENTENCES}"),
    ] = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Write a page about a pipeline, or about a corpus.

    For a pipeline give MODEL, DATA and OUTPUT, as in `report training/model-best dev.spacy report.html`. For a corpus
    give its parts with --data and OUTPUT alone, as in `report --data train.spacy --data dev.spacy corpus.html`.
    """
    import_code(code)
    if data:
        if len(places) != 1 or train or curve or scores or limit or gpu_id >= 0:
            raise InputError(
                "With --data the report is about a corpus, without a pipeline. Give OUTPUT alone besides, as in\n"
                "    report --data train.spacy --data dev.spacy OUTPUT.html"
            )
        report_corpus(data, Path(places[0]))
    elif len(places) == 3:
        model, gold, output = places
        report_pipeline(
            model,
            Path(gold),
            Path(output),
            train=train,
            curves=curve or [],
            scores=scores,
            limit=limit or SENTENCES,
            gpu_id=gpu_id,
        )
    else:
        raise InputError(
            f"There are {len(places)} arguments: {' '.join(places)}. Give MODEL DATA OUTPUT for a report on a "
            "pipeline, or --data DATA OUTPUT for one on a corpus."
        )


def report_pipeline(
    model: str,
    data: Path,
    output: Path,
    *,
    train: Path | None,
    curves: Sequence[Path],
    scores: Path | None,
    limit: int,
    gpu_id: int,
) -> None:
    """Run a pipeline on gold data, print its scores, and write a page about the predictions.

    Args:
        model: Folder or package name of the pipeline.
        data: Gold data.
        output: The page. Like all files, it appears whole or not at all.
        train: The training data, or the config it was trained with (the config.cfg in a pipeline's folder), to tell
            seen entities from unseen ones.
        curves: JSONL of learning curves (see `read_curve`): the pipeline's own, then others to compare with.
        scores: JSON file for the scores.
        limit: Sentences on the page, the worst first; all else is about all sentences.
        gpu_id: -1 for the CPU.

    Raises:
        LlamaNERError: If the device, the pipeline, a corpus, a curve or an output does not fit.
        OSError: If a file cannot be written.
    """
    # what is quick comes first, so that its errors do not have to be waited for
    check_output_file(output, ".html")
    check_output_file(scores, ".json")
    found_curves = [read_curve(path) for path in curves]
    names = _distinct_names([path.absolute().parent.name for path in curves], curves)
    mentions = None
    if train is not None:
        mentions = {mention(ent) for doc in read_training_docs(train) for ent in doc.ents}
    use_device(gpu_id)
    nlp = load_entity_pipeline(model)
    examples = read_examples(nlp, data)
    found = predict_and_score(nlp, examples)
    show_scores(found, examples, output=scores)
    page = render_pipeline_report(
        examples,
        found,
        title=f"{model} on {data}",
        limit=limit,
        groups=score_groups(nlp),
        curves=dict(zip(names, found_curves, strict=True)),
        mentions=mentions,
    )
    write_page(page, output)
    msg.good(f"Wrote {output}")


def report_corpus(data: list[Path], output: Path) -> None:
    """Count what the splits of a corpus hold, and write a page about it.

    Args:
        data: .spacy files, or folders of them; each file is a split.
        output: The page, which appears whole or not at all.

    Raises:
        InputError: If a corpus cannot be read, or `output` is no page.
        OSError: If `output` cannot be written.
    """
    check_output_file(output, ".html")
    files = list(dict.fromkeys(file for path in data for file in corpus_files(path)))
    names = _distinct_names([file.stem for file in files], files)
    splits = {name: describe(read_docs(file)) for name, file in zip(names, files, strict=True)}
    write_page(render_corpus_report(splits, title=", ".join(map(str, data))), output)
    msg.good(f"Wrote {output}")


def _distinct_names(short: list[str], paths: Sequence[Path]) -> list[str]:
    """Short names if they tell the paths apart, else the paths."""
    return short if len(set(short)) == len(short) and all(short) else [str(path) for path in paths]


@app.command("show")
def show(
    model: Pipeline,
    data: GoldData,
    output: PageOutput,
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Docs to show, those with errors first")] = 200,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Write a page of predictions next to gold data.

    It opens in any browser. The scores on it are those of all docs.
    """
    import_code(code)
    check_output_file(output, ".html")
    use_device(gpu_id)
    nlp = load_entity_pipeline(model)
    examples = read_examples(nlp, data)
    scores = predict_and_score(nlp, examples)
    page = render_predictions(
        examples, scores, title=f"{model} on {data}", spans_keys=score_groups(nlp).values(), limit=limit
    )
    write_page(page, output)
    msg.good(f"Wrote {output}: {min(limit, len(examples)):,} of {len(examples):,} docs")
