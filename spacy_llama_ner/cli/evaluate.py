"""`python -m spacy llama-ner evaluate`: the entity scores of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option
from wasabi import msg

from ..evaluate.predict import predict_and_score
from .app import app
from .inputs import InputError, check_file, load_pipeline, read_examples, use_device
from .scores import tell_scores


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
