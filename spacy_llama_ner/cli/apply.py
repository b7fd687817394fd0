"""`python -m spacy llama-ner apply`: a pipeline on a corpus of any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from tqdm import tqdm
from typer import Argument, Option
from wasabi import msg

from ..apply import ApplyError, ApplyJob, InputPart, find_files, open_folder, pipeline_digest
from ..apply.engines import run_local, run_ray
from .app import InputError, app, load_finder, use_device


@app.command("apply")
def apply_cli(
    model: Annotated[str, Argument(help="Folder or package name of a trained pipeline")],
    source: Annotated[Path, Argument(help="Texts: a .jsonl, .parquet or .spacy file, or a folder of them")],
    output: Annotated[Path, Argument(help="Folder for the output, one file a part")],
    format: Annotated[Literal["jsonl", "parquet", "spacy"], Option(help="Format of the output")] = "jsonl",
    text_key: Annotated[str, Option(help="Field of a record that holds the text")] = "text",
    part_size: Annotated[int, Option(min=1, help="Records a part: what a killed run has to do again at most")] = 2000,
    engine: Annotated[Literal["local", "ray"], Option(help="This process, or Ray's actors")] = "local",
    workers: Annotated[int | None, Option(min=1, help="Ray: actors, each with the pipeline in memory [1]")] = None,
    gpu_id: Annotated[int, Option("--gpu-id", "-g", help="GPU ID or -1 for CPU")] = -1,
) -> None:
    """Find the entities in a corpus of any size.

    The output is a folder of numbered parts in the order of the input. A run that was killed goes on where it
    was when the same command is given again. Records that hold no text are listed in files beside the parts.
    """
    if workers is not None and engine != "ray":
        msg.fail("Cannot apply the pipeline", "--workers is for --engine ray; this process works alone.", exits=1)
    try:
        bad = apply(
            model,
            source,
            output,
            suffix=f".{format}",
            text_key=text_key,
            part_size=part_size,
            workers=(workers or 1) if engine == "ray" else 0,
            gpu_id=gpu_id,
        )
    except (ApplyError, InputError, OSError) as error:
        msg.fail("Cannot apply the pipeline", str(error), exits=1)
    if bad:
        msg.warn(f"{bad} records hold no text. They are listed in the *.problems.jsonl files in {output}")
    msg.good(f"Annotated texts are in {output}")


def apply(
    model: str,
    source: Path,
    output: Path,
    *,
    suffix: str = ".jsonl",
    text_key: str = "text",
    part_size: int = 2000,
    workers: int = 0,
    gpu_id: int = -1,
) -> int:
    """Annotate all records of `source` and write them to the folder `output`; what is there already is kept.

    workers: how many actors Ray gets; 0 for a run in this process. The output is the same.
    Returns how many of the records that this run has seen hold no text.

    Raises: InputError or ApplyError where pipeline, input, output or options do not fit, OSError where a file
    cannot be read or written.
    """
    use_device(-1 if workers else gpu_id)
    nlp = load_finder(model)
    job = ApplyJob(
        model=pipeline_digest(nlp),
        files=find_files(source, output=output),
        suffix=suffix,
        part_size=part_size,
        text_key=text_key,
    )
    open_folder(output, job)
    parts = list(job.parts())
    todo = [part for part in parts if not job.output(output, part).exists()]
    if len(todo) < len(parts):
        msg.info(f"{len(parts) - len(todo)} of {len(parts)} parts are there already")
    if not todo:
        return 0
    if workers:
        done = run_ray(job, todo, model=model, folder=output, gpu_id=gpu_id, workers=workers)
    else:
        done = run_local(job, todo, nlp=nlp, folder=output)
    return sum(_with_progress(done, parts, todo))


def _with_progress(
    done: Iterator[tuple[InputPart, int]], parts: list[InputPart], todo: list[InputPart]
) -> Iterator[int]:
    total = sum(part.size for part in parts)
    with tqdm(total=total, initial=total - sum(part.size for part in todo), unit=" texts", desc="Applying") as bar:
        for part, bad in done:
            bar.update(part.size)
            yield bad
