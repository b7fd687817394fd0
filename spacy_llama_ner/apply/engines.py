"""Engines that run the parts of a job: this process, or Ray's actors on one machine or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import spacy
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.util import import_file

from .formats import ApplyError, InputPart
from .job import ApplyJob, pipeline_digest, run_part


def run_local(
    job: ApplyJob, parts: list[InputPart], *, nlp: Language, folder: Path
) -> Iterator[tuple[InputPart, int]]:
    """Run parts one after the other in this process.

    Args:
        job: The job.
        parts: Those of its parts that are to be done.
        nlp: The pipeline.
        folder: Gets the output.

    Yields:
        Each part when it is done, with the number of its bad records.
    """
    for part in parts:
        yield part, run_part(job, part, nlp, folder)


def run_ray(
    job: ApplyJob,
    parts: list[InputPart],
    *,
    model: str,
    folder: Path,
    gpu_id: int,
    workers: int,
    code: Path | None = None,
) -> Iterator[tuple[InputPart, int]]:
    """Run parts on Ray Data, by actors that each load the pipeline and take a part whenever they are free.

    Input, output folder, pipeline and code must have the same paths on all machines.

    Args:
        job: The job.
        parts: Those of its parts that are to be done.
        model: Folder or package name of the pipeline.
        folder: Gets the output.
        gpu_id: 0 or more gives each actor a GPU of its own, -1 is for the CPU.
        workers: Number of actors.
        code: Python file with registered functions of the pipeline, which each actor imports first.

    Yields:
        Each part when it is done, with the number of its bad records.

    Raises:
        ApplyError: If Ray is not installed, or the pipeline on a machine is another one.
    """
    try:
        import ray.data
    except ImportError as error:
        raise ApplyError('--engine ray needs Ray: `pip install "spacy_llama_ner[ray]"`.') from error
    rows = [{**asdict(part), "path": str(part.path)} for part in parts]
    # a folder is given by its absolute path, since actors have a working directory of their own
    model = str(Path(model).resolve()) if Path(model).exists() else model
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        fn_constructor_args=(job, model, folder.resolve(), 0 if gpu_id >= 0 else -1, code and code.resolve()),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_gpus=1 if gpu_id >= 0 else 0,
    )
    by_number = {part.number: part for part in parts}
    for row in done.iter_rows():
        yield by_number[int(row["number"])], int(row["bad"])


class _Worker:
    """The work of an actor: holds the pipeline, and runs the parts in the rows that it gets."""

    def __init__(self, job: ApplyJob, model: str, folder: Path, gpu_id: int, code: Path | None) -> None:
        if code is not None:
            import_file("python_code", code)
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
            InputPart(int(number), Path(str(path)), int(first), int(size), int(offset))
            for number, path, first, size, offset in columns
        ]
        return {"number": rows["number"], "bad": [run_part(self._job, p, self._nlp, self._folder) for p in parts]}
