"""`python -m spacy llama-ner report`: pages about a pipeline, or about a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from wasabi import msg

from ..data.files import write_page
from ..evaluate.corpus_stats import describe
from ..evaluate.learning_curves import CurveError, read_curve
from ..evaluate.matching import mention
from ..evaluate.predict import predict_and_score, score_groups
from ..report import render_corpora, render_report
from ..report.pipeline_page import render_page
from .app import (
    InputError,
    app,
    check_file,
    corpus_files,
    load_finder,
    read_docs,
    read_examples,
    read_trained_on,
    tell_scores,
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
        Option("--data", "-d", help="Report on a corpus instead: a .spacy file or a folder; give it again for more"),
    ] = None,
    train: Annotated[
        Path | None,
        Option("--train", "-t", help="Training data or its config.cfg, to tell seen entities from unseen ones"),
    ] = None,
    curve: Annotated[
        list[Path] | None,
        Option(
            "--curve", "-c", help="JSONL file of learning curves; those of other trainings, to be drawn beside, next"
        ),
    ] = None,
    scores: Annotated[
        Path | None, Option("--scores", "-s", help="JSON file for the scores, as `evaluate` writes it")
    ] = None,
    limit: Annotated[
        int | None,
        Option("--limit", "-l", min=1, help=f"Sentences to show, the worst first; {SENTENCES} if not given"),
    ] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    r"""Write one HTML page about a pipeline on gold data, or with --data about the splits of a corpus.

    \b
    report training/model-best dev.spacy report.html
    report --data train.spacy --data dev.spacy corpus.html
    """
    try:
        if data:
            if len(places) != 1 or train or curve or scores or limit or gpu_id >= 0:
                raise InputError(
                    "With --data the report is about a corpus, without a pipeline. Give OUTPUT alone besides, as in\n"
                    "    report --data train.spacy --data dev.spacy OUTPUT.html"
                )
            report_data(data, Path(places[0]))
        elif len(places) == 3:
            model, gold, output = places
            report(
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
    except (InputError, CurveError, OSError) as error:
        msg.fail("Cannot report", str(error), exits=1)


def report(
    model: str,
    data: Path,
    output: Path,
    *,
    train: Path | None = None,
    curves: Sequence[Path] = (),
    scores: Path | None = None,
    limit: int = SENTENCES,
    gpu_id: int = -1,
) -> None:
    """Run a pipeline on gold data, print its scores, and write a page about what came out to `output`.

    train: the training data, or the config it was trained with (the config.cfg in a pipeline's folder), to tell seen
        entities from unseen ones.
    curves: JSONL of learning curves (see `read_curve`): the pipeline's own, then those of others, to be drawn beside.
    scores: JSON file for the scores.
    limit: sentences on the page, the worst first; all else is about all sentences.

    Files appear whole or not at all.

    Raises: InputError where the device, the pipeline, a corpus or an output does not fit, CurveError where the
    curves are damaged, OSError where a file cannot be written.
    """
    # what is quick comes first, so that its errors do not have to be waited for
    check_file(output, ".html")
    check_file(scores, ".json")
    found_curves = [read_curve(path) for path in curves]
    names = _distinct([path.absolute().parent.name for path in curves], curves)
    mentions = None
    if train is not None:
        mentions = {mention(ent) for doc in read_trained_on(train) for ent in doc.ents}
    use_device(gpu_id)
    nlp = load_finder(model)
    examples = read_examples(nlp, data)
    found = predict_and_score(nlp, examples)
    tell_scores(found, examples, output=scores)
    page = render_report(
        examples,
        found,
        title=f"{model} on {data}",
        limit=limit,
        groups=score_groups(nlp),
        curves=dict(zip(names, found_curves, strict=True)),
        mentions=mentions,
    )
    _write(page, output)


def report_data(data: list[Path], output: Path) -> None:
    """Count what the splits of a corpus hold and write a page about it to `output`, whole or not at all.

    data: .spacy files, or folders of them; each file is a split.

    Raises: InputError where a corpus is not there or cannot be read, or `output` is no page; OSError where `output`
    cannot be written.
    """
    check_file(output, ".html")
    files = list(dict.fromkeys(file for path in data for file in corpus_files(path)))
    names = _distinct([file.stem for file in files], files)
    splits = {name: describe(read_docs(file)) for name, file in zip(names, files, strict=True)}
    _write(render_corpora(splits, title=", ".join(map(str, data))), output)


def _distinct(short: list[str], paths: Sequence[Path]) -> list[str]:
    """Short names if they tell the paths apart, else the paths."""
    return short if len(set(short)) == len(short) and all(short) else [str(path) for path in paths]


def _write(page: str, output: Path) -> None:
    write_page(page, output)
    msg.good(f"Wrote {output}")


@app.command("show")
def show_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    data: Annotated[Path, Argument(help="Gold data: a .spacy file or a folder of them")],
    output: Annotated[Path, Argument(help="HTML file to write")],
    limit: Annotated[int, Option("--limit", "-l", min=1, help="Docs to show, those with errors first")] = 200,
) -> None:
    """Write one HTML page of predictions beside gold, to open in any browser."""
    try:
        show(model, data, output, limit=limit)
    except (InputError, OSError) as error:
        msg.fail("Cannot show", str(error), exits=1)


def show(model: str, data: Path, output: Path, *, limit: int) -> None:
    """Run a pipeline on gold data and write a page of both to `output`, whole or not at all.

    limit: docs on the page, those with errors first; the scores are of all.

    Raises: InputError where the pipeline, the corpus or the output is not there or does not fit, OSError where
    `output` cannot be written.
    """
    check_file(output, ".html")
    nlp = load_finder(model)
    examples = read_examples(nlp, data)
    scores = predict_and_score(nlp, examples)
    page = render_page(
        examples, scores, title=f"{model} on {data}", spans_keys=score_groups(nlp).values(), limit=limit
    )
    write_page(page, output)
    msg.good(f"Wrote {output}: {min(limit, len(examples)):,} of {len(examples):,} docs")
