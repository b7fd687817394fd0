"""`evaluate`, `calibrate` and `difference`: the scores of a pipeline, calibration, and a comparison of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import srsly
from spacy.cli._util import import_code
from spacy.language import Language
from spacy.training import Example
from typer import Argument, Option
from wasabi import msg

from ..data.files import atomic_dir, atomic_write
from ..evaluate.matching import Tally
from ..evaluate.predict import (
    TOTAL,
    count_gold,
    percent,
    percent_interval,
    predict_and_score,
    print_change,
    print_scores,
    signed_percent,
)
from ..evaluate.scorer import SCORE_KEYS
from ..evaluate.significance import Difference, differences
from ..evaluate.temperature_scaling import Calibration, calibrate_component
from ..pipeline.llama_ner import find_components
from ..report import render_difference
from .app import Code, DataFiles, GoldData, GpuId, JsonOutput, PageOutput, Pipeline, app
from .inputs import (
    InputError,
    check_output_file,
    check_pipeline_output,
    load_entity_pipeline,
    load_pipeline,
    read_examples,
    use_device,
)


@app.command("evaluate")
def evaluate(
    model: Pipeline,
    data: GoldData,
    output: JsonOutput = None,
    batch_size: Annotated[
        int | None, Option("--batch-size", "-b", min=1, help="Docs per batch. Default: the pipeline's own")
    ] = None,
    before: Annotated[
        str | None, Option(help="Earlier pipeline, to show how the F1 of each label has changed")
    ] = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> dict[str, Any]:
    """Score a pipeline's entities on gold data."""
    import_code(code)
    check_output_file(output, ".json")
    use_device(gpu_id)
    nlp = load_pipeline(model)
    examples = read_examples(nlp, data)
    found = predict_and_score(nlp, examples, batch_size=batch_size)
    earlier = None
    if before is not None:
        nlp = load_pipeline(before)
        earlier = predict_and_score(nlp, read_examples(nlp, data), batch_size=batch_size)
    return show_scores(found, examples, output=output, before=earlier)


def show_scores(
    found: Mapping[str, Any],
    examples: Sequence[Example],
    *,
    output: Path | None,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Print a table of scores, and write them to a file if there is one, whole or not at all.

    Args:
        found: What `predict_and_score` gives.
        examples: What was scored; their gold entities are counted.
        output: JSON file. Missing folders are made.
        before: The scores of an earlier pipeline, to be shown beside.

    Returns:
        The scores under the keys of `nlp.evaluate`: ents_p, ents_r, ents_f (0 to 1), ents_per_type (p, r, f by
        label), ents_token_acc and speed (words per second). Where components of this package give scores, ents_ece
        is their expected calibration error (0 to 1), and where one generates answers, parse_failures counts those
        that do not parse. The same of the earlier pipeline is under `before`.

    Raises:
        OSError: If `output` cannot be written.
    """
    scores, gold = {key: found[key] for key in SCORE_KEYS if key in found}, count_gold(examples)
    print_scores(scores, gold, msg=msg)
    if before is not None:
        scores["before"] = {key: before[key] for key in SCORE_KEYS if key in before}
        print_change(scores["before"], scores, gold, msg=msg)
    if output is not None:
        with atomic_write(output) as partial:
            srsly.write_json(partial, scores)
        msg.good(f"Scores are in {output}")
    return scores


@app.command("calibrate")
def calibrate(
    model: Pipeline,
    data: Annotated[Path, Argument(help="Gold data it was not trained on: a .spacy file or a folder of them")],
    output: Annotated[Path | None, Argument(help="Folder for the calibrated pipeline. Default: in place")] = None,
    pipe: Annotated[str | None, Option(help="Name of the component. Default: every llama_ner")] = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> dict[str, Calibration]:
    """Calibrate the scores of entities on dev data.

    Temperature scaling makes the score of an entity the probability that it is right. The entities do not change. The
    temperature is saved with the pipeline. Training it further does not change the temperature: calibrate it again
    afterwards.
    """
    import_code(code)
    use_device(gpu_id)
    nlp = load_pipeline(model)
    target = _calibrated_folder(nlp, model, output)
    names = _calibrated_components(nlp, model, pipe)
    examples = read_examples(nlp, data)
    found = {name: calibrate_component(nlp, name, examples) for name in names}
    rows = [
        (name, f"{c.temperature:.3f}", percent(c.before), percent(c.after), f"{c.n_entities:,}")
        for name, c in found.items()
    ]
    header = ("", "temperature", "ECE before", "ECE after", "entities")
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r"))
    _save_calibrated(nlp, names, target)
    msg.good(f"The calibrated pipeline is in {target}")
    return found


def _calibrated_folder(nlp: Language, model: str, output: Path | None) -> Path:
    if output is None:
        if not _is_own_folder(nlp, Path(model)):
            raise InputError(f"{model!r} is an installed package, which is not to be changed. Give an output folder.")
        return Path(model)
    check_pipeline_output(output)
    return output


def _is_own_folder(nlp: Language, folder: Path) -> bool:
    return folder.resolve() == Path(str(nlp.path)).resolve()


def _calibrated_components(nlp: Language, model: str, pipe: str | None) -> list[str]:
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


def _save_calibrated(nlp: Language, names: list[str], target: Path) -> None:
    """Save the pipeline to a new folder; in its own, replace the weights of the components alone."""
    if not _is_own_folder(nlp, target):
        with atomic_dir(target) as partial:
            nlp.to_disk(partial)
        return
    with ExitStack() as files:
        for name in names:
            find_components(nlp)[name].model.to_disk(files.enter_context(atomic_write(target / name / "model")))


@app.command("difference")
def difference(
    first: Pipeline,
    second: Annotated[str, Argument(help="The pipeline to compare it with")],
    page: PageOutput,
    data: DataFiles,
    output: JsonOutput = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> dict[str, list[Difference]]:
    """Compare two pipelines label by label, with intervals.

    Both are scored on the same gold data. PAGE and the table show where their F1 differs, and the 95% interval of the
    difference.
    """
    import_code(code)
    check_output_file(page, ".html")
    check_output_file(output, ".json")
    use_device(gpu_id)
    predicted = [_predict(model, data) for model in (first, second)]
    found = {str(path): differences(*(examples[path] for examples in predicted)) for path in data}
    names = distinct_names(first, second)
    for corpus, rows in found.items():
        _print_differences(corpus, rows, names)
    with atomic_write(page) as partial:
        html = render_difference(found, names=names, title=f"{first} and {second}, on {', '.join(found)}")
        partial.write_text(html, encoding="utf8")
    if output is not None:
        figures = {corpus: _figures(rows) for corpus, rows in found.items()}
        with atomic_write(output) as partial:
            srsly.write_json(partial, {"first": first, "second": second, "data": figures})
    msg.good(f"Wrote {page}")
    return found


def distinct_names(first: str, second: str) -> tuple[str, str]:
    """The parts of two paths that differ, if the rest is the same; else the paths as they are."""
    one, other = Path(first).parts, Path(second).parts
    if len(one) != len(other) or one == other:
        return first, second
    pairs = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    return "/".join(a for a, _ in pairs), "/".join(b for _, b in pairs)


def _predict(model: str, data: list[Path]) -> dict[Path, list[Example]]:
    nlp = load_entity_pipeline(model)
    examples = {path: read_examples(nlp, path) for path in data}
    for each in examples.values():
        predict_and_score(nlp, each)
    return examples


def _print_differences(corpus: str, rows: list[Difference], names: tuple[str, str]) -> None:
    msg.divider(corpus)
    table = [
        (
            TOTAL if row.label is None else row.label,
            percent(row.first.f),
            percent(row.second.f),
            signed_percent(row.f),
            percent_interval(row.interval),
            f"{row.first.gold:,}",
        )
        for row in rows
    ]
    header = ("F1", *names, "difference", "95% interval", "entities")
    msg.table(table, header=header, divider=True, aligns=("l", "r", "r", "r", "r", "r"))


def _figures(rows: list[Difference]) -> dict[str, Any]:
    """What the JSON file says of one corpus."""

    def scores(tally: Tally) -> dict[str, float | None]:
        return {"p": tally.p, "r": tally.r, "f": tally.f}

    total, *by_label = (
        {
            "first": scores(row.first),
            "second": scores(row.second),
            "difference": row.f,
            "interval": row.interval,
            "gold": row.first.gold,
        }
        for row in rows
    )
    labels = [str(row.label) for row in rows[1:]]
    return {"all": total, "per_type": dict(zip(labels, by_label, strict=True))}
