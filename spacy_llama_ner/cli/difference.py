"""`python -m spacy llama-ner difference`: two pipelines on the same gold data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import srsly
from spacy.training import Example
from typer import Argument, Option
from wasabi import msg

from ..data.files import written_whole
from ..evaluate.difference import Difference, differences
from ..evaluate.groups import Tally
from ..evaluate.predict import predict_and_score
from ..evaluate.report import render_difference
from ..evaluate.report.difference import signed, span
from ..evaluate.table import TOTAL, percent
from .app import app
from .inputs import InputError, check_file, load_finder, read_examples, use_device


@app.command("difference")
def difference_cli(
    first: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    second: Annotated[str, Argument(help="The pipeline that it is compared with")],
    page: Annotated[Path, Argument(help="HTML file to write")],
    data: Annotated[
        list[Path], Option("--data", "-d", help="Gold data: a .spacy file or a folder; give it again for more")
    ],
    output: Annotated[Path | None, Option("--output", "-o", help="JSON file for the figures")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Score two pipelines on the same gold data, and say by type where they differ and how sure that is."""
    try:
        difference(first, second, page, data=data, output=output, gpu_id=gpu_id)
    except (InputError, OSError) as error:
        msg.fail("Cannot compare the pipelines", str(error), exits=1)


def difference(
    first: str, second: str, page: Path, *, data: list[Path], output: Path | None = None, gpu_id: int = -1
) -> dict[str, list[Difference]]:
    """Run both pipelines on each of `data`, print how they differ and write it to `page` and, as JSON, to `output`.

    Raises: InputError where the device, a pipeline, a corpus or an output is not there or does not fit, OSError where
    a file cannot be written.
    """
    check_file(page, ".html")
    check_file(output, ".json")
    use_device(gpu_id)
    predicted = [_predict(model, data) for model in (first, second)]
    found = {str(path): differences(*(examples[path] for examples in predicted)) for path in data}
    names = tell_apart(first, second)
    for where, rows in found.items():
        _print(where, rows, names)
    with written_whole(page) as partial:
        html = render_difference(found, names=names, title=f"{first} and {second}, on {', '.join(found)}")
        partial.write_text(html, encoding="utf8")
    if output is not None:
        figures = {where: _figures(rows) for where, rows in found.items()}
        with written_whole(output) as partial:
            srsly.write_json(partial, {"first": first, "second": second, "data": figures})
    msg.good(f"Wrote {page}")
    return found


def tell_apart(first: str, second: str) -> tuple[str, str]:
    """The parts of two paths that differ, where the rest is the same; else the paths as they are."""
    one, other = Path(first).parts, Path(second).parts
    if len(one) != len(other) or one == other:
        return first, second
    pairs = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return "/".join(a for a, _ in pairs), "/".join(b for _, b in pairs)


def _predict(model: str, data: list[Path]) -> dict[Path, list[Example]]:
    nlp = load_finder(model)
    examples = {path: read_examples(nlp, path) for path in data}
    for each in examples.values():
        predict_and_score(nlp, each)
    return examples


def _print(where: str, rows: list[Difference], names: tuple[str, str]) -> None:
    msg.divider(where)
    table = [
        (
            TOTAL if row.label is None else row.label,
            percent(row.first.f),
            percent(row.second.f),
            signed(row.f),
            span(row.interval),
            f"{row.first.gold:,}",
        )
        for row in rows
    ]
    header = ("F1", *names, "difference", "95% interval", "entities")
    msg.table(table, header=header, divider=True, aligns=("l", "r", "r", "r", "r", "r"))


def _figures(rows: list[Difference]) -> dict[str, Any]:
    total, *by_label = rows
    return {"all": _row(total), "per_type": {row.label: _row(row) for row in by_label}}


def _row(row: Difference) -> dict[str, Any]:
    def scores(tally: Tally) -> dict[str, float | None]:
        return {"p": tally.p, "r": tally.r, "f": tally.f}

    return {
        "first": scores(row.first),
        "second": scores(row.second),
        "difference": row.f,
        "interval": row.interval,
        "gold": row.first.gold,
    }
