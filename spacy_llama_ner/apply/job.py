"""A job: what decides its output, its input cut into parts, and the folder that fills up with their output."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from ..base.cache import file_sha256, stream_sha256
from ..data.files import RunManifest, RunManifestError, atomic_write
from .formats import (
    AnnotatedRecord,
    ApplyError,
    BadRecord,
    DocBinFormat,
    InputPart,
    JSONLFormat,
    ParquetFormat,
    Record,
    RecordFormat,
)

# by the suffixes of files
RECORD_FORMATS: dict[str, RecordFormat] = {
    ".jsonl": JSONLFormat(),
    ".parquet": ParquetFormat(),
    ".spacy": DocBinFormat(),
}
MANIFEST = "job.json"
PROBLEMS_SUFFIX = ".problems.jsonl"


@dataclass(frozen=True)
class ApplyJob:
    """What decides the output: two jobs that are equal write the same files.

    Attributes:
        model: Digest of the pipeline's files, see `pipeline_digest`.
        files: The input files with the SHA-256 of their content.
        suffix: Format of the output.
        part_size: How many records a part has.
        text_key: Field of a record that holds the text.
    """

    model: str
    files: list[tuple[str, str]]
    suffix: str
    part_size: int
    text_key: str

    def parts(self) -> Iterator[InputPart]:
        """Cut the input into parts. It looks for line ends or reads headers, and keeps no record in memory.

        Yields:
            The parts, in order.

        Raises:
            ApplyError: If a file cannot be read.
        """
        number = 0
        for name, _ in self.files:
            path = Path(name)
            for first, size, offset in RECORD_FORMATS[path.suffix].split(path, self.part_size):
                yield InputPart(number, path, first, size, offset)
                number += 1

    def output(self, folder: Path, part: InputPart) -> Path:
        """Return where the output of a part is, once it is done."""
        return folder / f"{part.name}{self.suffix}"


def find_inputs(source: Path, *, output: Path) -> list[tuple[str, str]]:
    """Find the input files of a job.

    Hidden files and folders, lists of problems, and what lies in `output` are ignored.

    Args:
        source: A file, or a folder that is searched.
        output: Folder of the output.

    Returns:
        Paths with their SHA-256, in the order of their names.

    Raises:
        ApplyError: If there are none.
    """
    suffixes = ", ".join(RECORD_FORMATS)
    if not source.exists():
        raise ApplyError(f"The input {source} does not exist. Give a file or a folder of {suffixes} files.")

    def is_input(path: Path) -> bool:
        hidden = any(step.startswith(".") for step in path.relative_to(source).parts)
        own = output.resolve() in path.resolve().parents or path.name.endswith(PROBLEMS_SUFFIX)
        return path.is_file() and not hidden and not own

    paths = [source] if source.is_file() else sorted(path for path in source.rglob("*") if is_input(path))
    files = [(str(path.resolve()), file_sha256(path)) for path in paths if path.suffix in RECORD_FORMATS]
    if not files:
        raise ApplyError(f"The input {source} is no {suffixes} file and holds none. Convert it to one of these.")
    return files


def pipeline_digest(nlp: Language) -> str:
    """Return the SHA-256 over names and content of the files that a pipeline was loaded from."""
    folder = Path(str(nlp.path))
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(folder)}\0{stream_sha256(file)}\0".encode())
    return digest.hexdigest()


def open_output(folder: Path, job: ApplyJob) -> None:
    """Start a job in a folder, or resume it.

    Args:
        folder: New, empty, or with the manifest of the same job.
        job: The job.

    Raises:
        ApplyError: If it belongs to another job, or something else lies in it.
        OSError: If it cannot be written.
    """
    try:
        RunManifest(folder / MANIFEST, asdict(job)).begin_or_resume()
    except RunManifestError as error:
        raise ApplyError(str(error)) from error


def run_part(job: ApplyJob, part: InputPart, nlp: Language, folder: Path) -> int:
    """Annotate a part and write its output, which is there in full or not at all.

    Bad records are listed in a file beside the output, which is written first.

    Args:
        job: The job.
        part: The part.
        nlp: The pipeline.
        folder: Gets the output.

    Returns:
        How many records were bad.

    Raises:
        OSError: If a file cannot be written.
    """
    bad: list[BadRecord] = []
    # otherwise the vocab keeps every word of the corpus
    with nlp.memory_zone():
        results = list(_annotate(job, part, nlp, bad))
        if bad:
            with atomic_write(folder / f"{part.name}{PROBLEMS_SUFFIX}") as partial:
                lines = [{"file": str(part.path), "record": b.number, "problem": b.reason} for b in bad]
                srsly.write_jsonl(partial, lines)
        with atomic_write(job.output(folder, part)) as partial:
            RECORD_FORMATS[job.suffix].write(results, partial)
        # none may outlive the zone
        del results
    return len(bad)


def _annotate(job: ApplyJob, part: InputPart, nlp: Language, bad: list[BadRecord]) -> Iterator[AnnotatedRecord]:
    def good_records() -> Iterator[tuple[str | Doc, Record]]:
        for record in RECORD_FORMATS[part.path.suffix].read(part, text_key=job.text_key, vocab=nlp.vocab):
            if isinstance(record, BadRecord):
                bad.append(record)
            else:
                yield record.text, record

    nlp.max_length = sys.maxsize
    for doc, record in nlp.pipe(good_records(), as_tuples=True):
        yield record, doc
