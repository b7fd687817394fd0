"""Who works through the parts of a job: this process, or Ray's model actors on one machine or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import spacy
from spacy.cli._util import setup_gpu
from spacy.language import Language

from .formats import ApplyError, InputPart
from .job import ApplyJob, pipeline_digest, run_part


def run_local(
    job: ApplyJob, parts: list[InputPart], *, nlp: Language, folder: Path
) -> Iterator[tuple[InputPart, int]]:
    """Run `parts` one after the other. Gives each part when it is done, with the number of its bad records."""
    for part in parts:
        yield part, run_part(job, part, nlp, folder)


def run_ray(
    job: ApplyJob, parts: list[InputPart], *, model: str, folder: Path, gpu_id: int, workers: int
) -> Iterator[tuple[InputPart, int]]:
    """The same on Ray Data: `workers` actors, each with the pipeline `model` in memory, take parts as they get free.

    Input, output folder and pipeline must have the same paths on all machines. On a GPU (`gpu_id` of 0 or more)
    every actor gets one of its own.
    """
    data = _import_ray_data()
    rows = [{**asdict(part), "path": str(part.path)} for part in parts]
    done = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        fn_constructor_args=(job, _absolute(model), folder.resolve(), 0 if gpu_id >= 0 else -1),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers),
        num_gpus=1 if gpu_id >= 0 else 0,
    )
    by_number = {part.number: part for part in parts}
    for row in done.iter_rows():
        yield by_number[int(row["number"])], int(row["bad"])


class _Worker:
    """What an actor holds, and does with the rows it is given."""

    def __init__(self, job: ApplyJob, model: str, folder: Path, gpu_id: int) -> None:
        setup_gpu(gpu_id, silent=True)
        self._job, self._folder = job, folder
        self._nlp = spacy.load(model)
        if pipeline_digest(self._nlp) != job.model:
            raise ApplyError(
                f"The pipeline {model} on this machine is not the one the job began with. Copy it again."
            )

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        columns = zip(rows["number"], rows["path"], rows["first"], rows["size"], rows["offset"], strict=True)
        parts = [
            InputPart(int(n), Path(str(path)), int(first), int(size), int(at)) for n, path, first, size, at in columns
        ]
        return {"number": rows["number"], "bad": [run_part(self._job, p, self._nlp, self._folder) for p in parts]}


def _absolute(model: str) -> str:
    return str(Path(model).resolve()) if Path(model).exists() else model


def _import_ray_data() -> Any:
    try:
        import ray.data
    except ImportError as error:
        raise ApplyError('--engine ray needs Ray: `pip install "spacy_llama_ner[ray]"`.') from error
    return ray.data
