"""`apply`: the entities of a corpus of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from spacy.cli._util import import_code
from tqdm import tqdm
from typer import Argument, Option
from wasabi import msg

from ..apply import ApplyJob, find_inputs, open_output, pipeline_digest
from ..apply.engines import run_local, run_ray
from .app import Code, GpuId, Pipeline, TextKey, app
from .inputs import InputError, load_entity_pipeline, use_device


@app.command("apply")
def apply(
    model: Pipeline,
    source: Annotated[Path, Argument(help="Texts: a .jsonl, .parquet or .spacy file, or a folder of them")],
    output: Annotated[Path, Argument(help="Folder for the output, one file per part")],
    format: Annotated[Literal["jsonl", "parquet", "spacy"], Option(help="Format of the output")] = "jsonl",
    text_key: TextKey = "text",
    part_size: Annotated[
        int, Option(min=1, help="Records per part: at most so many are done again after a stop")
    ] = 2000,
    engine: Annotated[Literal["local", "ray"], Option(help="This process, or Ray with actors of its own")] = "local",
    workers: Annotated[
        int | None, Option(min=1, help="Actors of Ray, each with the pipeline in memory. Default: 1")
    ] = None,
    code: Code = None,
    gpu_id: GpuId = -1,
) -> None:
    """Find the entities in a corpus of any size.

    The output is a folder of numbered parts in the order of the input. Give the same command again to continue a run
    that was stopped. Records without a text are listed in files beside the parts.
    """
    if workers is not None and engine != "ray":
        raise InputError("--workers is for --engine ray; this process works alone.")
    import_code(code)
    use_device(-1 if engine == "ray" else gpu_id)
    nlp = load_entity_pipeline(model)
    job = ApplyJob(
        model=pipeline_digest(nlp),
        files=find_inputs(source, output=output),
        suffix=f".{format}",
        part_size=part_size,
        text_key=text_key,
    )
    open_output(output, job)
    parts = list(job.parts())
    todo = [part for part in parts if not job.output(output, part).exists()]
    if len(todo) < len(parts):
        msg.info(f"{len(parts) - len(todo)} of {len(parts)} parts are there already")
    if engine == "ray" and todo:
        done = run_ray(job, todo, model=model, folder=output, gpu_id=gpu_id, workers=workers or 1, code=code)
    else:
        done = run_local(job, todo, nlp=nlp, folder=output)
    n_texts, n_bad = sum(part.size for part in parts), 0
    initial = n_texts - sum(part.size for part in todo)
    with tqdm(total=n_texts, initial=initial, unit=" texts", desc="Applying") as bar:
        for part, bad in done:
            bar.update(part.size)
            n_bad += bad
    if n_bad:
        msg.warn(f"{n_bad} records hold no text. They are listed in the *.problems.jsonl files in {output}")
    msg.good(f"Annotated texts are in {output}")
