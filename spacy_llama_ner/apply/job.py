"""What a job is: a pipeline, its input cut into parts, and a folder that fills up with their output."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import srsly
from spacy.language import Language

from ..base.cache import file_sha256, stream_sha256
from ..data.files import RunManifestError, atomic_write, begin
from .formats import ApplyError, BadRecord, DocBins, InputPart, Lines, Parquet, Record, RecordFormat, Result

FORMATS: dict[str, RecordFormat] = {".jsonl": Lines(), ".parquet": Parquet(), ".spacy": DocBins()}
JOB = "job.json"
PROBLEMS = ".problems.jsonl"


@dataclass(frozen=True)
class ApplyJob:
    """What decides the output. Two jobs that are equal write the same files.

    model: the digest of the pipeline's files.
    files: the input files with the digests of their content.
    suffix: format of the output.
    part_size: records a part.
    text_key: field of a record that holds the text.
    """

    model: str
    files: list[tuple[str, str]]
    suffix: str
    part_size: int
    text_key: str

    def parts(self) -> Iterator[InputPart]:
        """The parts of the input, in order. Looks for line ends or reads headers, and keeps no record in memory."""
        number = 0
        for name, _ in self.files:
            path = Path(name)
            for first, size, offset in FORMATS[path.suffix].cut(path, self.part_size):
                yield InputPart(number, path, first, size, offset)
                number += 1

    def output(self, folder: Path, part: InputPart) -> Path:
        """Where the output of `part` is, once it is done."""
        return folder / f"{part.name}{self.suffix}"


def find_files(source: Path, *, output: Path) -> list[tuple[str, str]]:
    """The files in `source`, a file or a folder, with their SHA-256, in the order of their names.

    Passed over are hidden files and folders, lists of problems, and what lies in `output`. Raises ApplyError if
    there are none.
    """
    if not source.exists():
        raise ApplyError(f"The input {source} does not exist. Give a file or a folder of {_suffixes()} files.")
    paths = [source] if source.is_file() else sorted(p for p in source.rglob("*") if _is_input(p, source, output))
    files = [(str(path.resolve()), file_sha256(path)) for path in paths if path.suffix in FORMATS]
    if not files:
        raise ApplyError(f"The input {source} is no {_suffixes()} file and holds none. Convert it to one of these.")
    return files


def _is_input(path: Path, source: Path, output: Path) -> bool:
    hidden = any(step.startswith(".") for step in path.relative_to(source).parts)
    own = output.resolve() in path.resolve().parents or path.name.endswith(PROBLEMS)
    return path.is_file() and not hidden and not own


def _suffixes() -> str:
    return ", ".join(FORMATS)


def pipeline_digest(nlp: Language) -> str:
    """SHA-256 over the files that `nlp` was loaded from."""
    folder = Path(str(nlp.path))
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.relative_to(folder)}\0{stream_sha256(file)}\0".encode())
    return digest.hexdigest()


def open_folder(folder: Path, job: ApplyJob) -> None:
    """Begin `job` in `folder`, or take it up again. Raises ApplyError where another job has begun there."""
    try:
        begin(folder, asdict(job), record=JOB)
    except RunManifestError as error:
        raise ApplyError(str(error)) from error


def run_part(job: ApplyJob, part: InputPart, nlp: Language, folder: Path) -> int:
    """Annotate `part` and write its output, which appears whole or not at all. Returns how many records were bad.

    Bad records are listed beside it, in a file that is written first.
    """
    bad: list[BadRecord] = []
    # else the vocab keeps every word of the corpus
    with nlp.memory_zone():
        results = list(_annotate(job, part, nlp, bad))
        if bad:
            with atomic_write(folder / f"{part.name}{PROBLEMS}") as partial:
                lines = [{"file": str(part.path), "record": b.number, "problem": b.reason} for b in bad]
                srsly.write_jsonl(partial, lines)
        with atomic_write(job.output(folder, part)) as partial:
            FORMATS[job.suffix].write(results, partial)
        # none may outlive the zone
        del results
    return len(bad)


def _annotate(job: ApplyJob, part: InputPart, nlp: Language, bad: list[BadRecord]) -> Iterator[Result]:
    nlp.max_length = sys.maxsize
    found = FORMATS[part.path.suffix].read(part, text_key=job.text_key, vocab=nlp.vocab)
    good = _set_aside(found, bad)
    for doc, record in nlp.pipe(((record.text, record) for record in good), as_tuples=True):
        yield record, doc


def _set_aside(found: Iterable[Record | BadRecord], bad: list[BadRecord]) -> Iterator[Record]:
    for item in found:
        if isinstance(item, BadRecord):
            bad.append(item)
        else:
            yield item
