"""`python -m spacy llama-ner evaluate`: the entity scores of a pipeline."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import srsly
from spacy.language import Language
from spacy.training import Example
from typer import Argument, Option
from wasabi import msg

from ..data.files import atomic_dir, atomic_write
from ..evaluate.calibrate import Calibration, CalibrationError, calibrate_component
from ..evaluate.matching import Tally
from ..evaluate.predict import TOTAL, percent, predict_and_score
from ..evaluate.significance import Difference, differences
from ..pipeline.components import find_components
from ..report import render_difference
from ..report.difference_page import signed, span
from .app import (
    InputError,
    app,
    check_file,
    check_output,
    load_finder,
    load_pipeline,
    read_examples,
    tell_scores,
    use_device,
)


@app.command("evaluate")
def evaluate_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    data: Annotated[Path, Argument(help="Gold data: a .spacy file or a folder of them")],
    output: Annotated[Path | None, Option("--output", "-o", help="JSON file for the scores")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
    batch_size: Annotated[
        int | None, Option("--batch-size", "-b", min=1, help="Docs a batch, for components that go by docs")
    ] = None,
    before: Annotated[str | None, Option(help="Earlier pipeline, to show what has become of each label's F1")] = None,
) -> None:
    """Score the entities of a pipeline on gold data, in total and by type."""
    try:
        evaluate(model, data, output=output, gpu_id=gpu_id, batch_size=batch_size, before=before)
    except (InputError, OSError) as error:
        msg.fail("Cannot evaluate", str(error), exits=1)


def evaluate(
    model: str,
    data: Path,
    *,
    output: Path | None = None,
    gpu_id: int = -1,
    batch_size: int | None = None,
    before: str | None = None,
) -> dict[str, Any]:
    """Print a table of scores, write them to `output` as JSON, and return them.

    Keys and values are those of `nlp.evaluate`: ents_p, ents_r, ents_f (0 to 1), ents_per_type (p, r, f by
    label), ents_token_acc, speed (words per second). Where components of this package give scores, ents_ece is their
    expected calibration error (0 to 1), and where one writes answers, parse_failures the number of those that do not
    parse. `output` appears whole or not at all; missing folders are made.
    before: an earlier pipeline, whose scores on the same data are shown beside, and returned as `before`.

    Raises: InputError where the device, the pipeline, the corpus or the output is not there or does not fit, OSError
    where `output` cannot be written.
    """
    check_file(output, ".json")
    use_device(gpu_id)
    nlp = load_pipeline(model)
    examples = read_examples(nlp, data)
    found = predict_and_score(nlp, examples, batch_size=batch_size)
    earlier = None
    if before is not None:
        nlp = load_pipeline(before)
        earlier = predict_and_score(nlp, read_examples(nlp, data), batch_size=batch_size)
    return tell_scores(found, examples, output=output, before=earlier)


HEADER = ("", "temperature", "ECE before", "ECE after", "entities")


@app.command("calibrate")
def calibrate_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    data: Annotated[Path, Argument(help="Gold data that it was not trained on: a .spacy file or a folder of them")],
    output: Annotated[Path | None, Argument(help="Folder for the calibrated pipeline; in place if not given")] = None,
    pipe: Annotated[str | None, Option(help="Name of the component; every llama_ner if not given")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Make the scores of entities say how often they are right, by temperature scaling on the dev data.

    Entities stay what they are. The temperature is saved with the pipeline. Further training does not change it; give
    the command again afterwards.
    """
    try:
        calibrate(model, data, output=output, pipe=pipe, gpu_id=gpu_id)
    except (CalibrationError, InputError, OSError) as error:
        msg.fail("Cannot calibrate", str(error), exits=1)


def calibrate(
    model: str, data: Path, *, output: Path | None = None, pipe: str | None = None, gpu_id: int = -1
) -> dict[str, Calibration]:
    """Calibrate components of a pipeline, print how, and save the pipeline; give what was found by component.

    output: folder that gets the calibrated pipeline, whole or not at all; a pipeline that is there is replaced. By
        default that of `model`, where then only the weights' files are replaced.
    pipe: name of the component; by default each `llama_ner`.

    Raises: CalibrationError where no temperature follows from the data, InputError where the device, the pipeline,
    the corpus or the output does not fit, OSError where it cannot be written.
    """
    use_device(gpu_id)
    nlp = load_pipeline(model)
    target = _target(nlp, model, output)
    names = _choose(nlp, model, pipe)
    examples = read_examples(nlp, data)
    found = {name: calibrate_component(nlp, name, examples) for name in names}
    rows = [
        (name, f"{c.temperature:.3f}", percent(c.before), percent(c.after), f"{c.n_entities:,}")
        for name, c in found.items()
    ]
    msg.table(rows, header=HEADER, divider=True, aligns=("l", "r", "r", "r", "r"))
    _save(nlp, names, target)
    msg.good(f"The calibrated pipeline is in {target}")
    return found


def _target(nlp: Language, model: str, output: Path | None) -> Path:
    if output is None:
        if not _is_home(nlp, Path(model)):
            raise InputError(f"{model!r} is an installed package, which is not to be changed. Give an output folder.")
        return Path(model)
    check_output(output)
    return output


def _is_home(nlp: Language, folder: Path) -> bool:
    return folder.resolve() == Path(str(nlp.path)).resolve()


def _choose(nlp: Language, model: str, pipe: str | None) -> list[str]:
    names = list(find_components(nlp))
    if not names:
        raise InputError(
            f"The pipeline {model!r} has no `llama_ner`; it has {nlp.pipe_names}. Only its scores can be calibrated."
        )
    if pipe is None:
        return names
    if pipe not in names:
        raise InputError(f"The pipeline {model!r} has no `llama_ner` with the name {pipe!r}. It has {names}.")
    return [pipe]


def _save(nlp: Language, names: list[str], target: Path) -> None:
    if not _is_home(nlp, target):
        with atomic_dir(target) as partial:
            nlp.to_disk(partial)
        return
    with ExitStack() as files:
        for name in names:
            find_components(nlp)[name].model.to_disk(files.enter_context(atomic_write(target / name / "model")))


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
    with atomic_write(page) as partial:
        html = render_difference(found, names=names, title=f"{first} and {second}, on {', '.join(found)}")
        partial.write_text(html, encoding="utf8")
    if output is not None:
        figures = {where: _figures(rows) for where, rows in found.items()}
        with atomic_write(output) as partial:
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
