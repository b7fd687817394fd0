"""`python -m spacy llama-ner show`: predictions beside gold, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option
from wasabi import msg

from ..data.files import write_page
from ..evaluate.page import render_page
from ..evaluate.predict import predict_and_score, score_groups
from .app import app
from .inputs import InputError, check_file, load_finder, read_examples


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
