"""`python -m spacy llama-ner calibrate`: scores that say how often entities are right."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from spacy.language import Language
from typer import Argument, Option
from wasabi import msg

from ..data.files import folder_written_whole, written_whole
from ..evaluate.table import percent
from ..evaluate.temperature import Calibration, CalibrationError, calibrate_component
from ..pipeline.components import find_components
from .app import app
from .inputs import InputError, check_output, load_pipeline, read_examples, use_device

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
        with folder_written_whole(target) as partial:
            nlp.to_disk(partial)
        return
    with ExitStack() as files:
        for name in names:
            find_components(nlp)[name].model.to_disk(files.enter_context(written_whole(target / name / "model")))
