"""Export to and import from a tool: tasks go out with suggestions, finished files are checked and put together.

The result is one doc for each text that somebody has annotated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..data.docbin import write_docbin
from ..data.docs import merge_annotations, unlabelled
from ..data.errors import LlamaNERError
from ..data.files import atomic_write
from ..data.problems import ProblemReport
from ..data.records import BAD_RECORD, read_records
from .formats import TaskFormat, guess_task_format
from .records import (
    Annotation,
    AnnotationError,
    AnnotationRules,
    AnnotationStatus,
    apply_annotation,
    as_object,
    make_tasks,
    task_key,
)

# problems of annotations
NOT_EXPORTED = "text not given out"
BAD_WORDS = "words differ"
ANNOTATED_AGAIN = "answered again"
DISAGREEMENT = "experts disagree"

# files in the folder of an export: the texts and the labels
TEXTS_FILE = "texts.spacy"
EXPORT_FILE = "export.json"


class ExportError(LlamaNERError):
    """A folder that is no export, or a file that no tool has written."""


@dataclass
class ExportedTexts:
    """The docs that were exported; without any, docs are made of what comes back.

    Attributes:
        nlp: Its tokenizer is used for texts that come back without words.
        docs: By the key of their task.
        key_by_text: The key of the first doc with a text.
    """

    nlp: Language
    docs: dict[str, Doc] = field(default_factory=dict)
    key_by_text: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_docs(cls, docs: Iterable[Doc], nlp: Language) -> ExportedTexts:
        """Index docs that were exported.

        Args:
            docs: The texts, without entities.
            nlp: Its tokenizer.

        Returns:
            The texts.
        """
        texts = cls(nlp)
        for doc in docs:
            key = task_key(doc)
            texts.docs[key] = doc
            texts.key_by_text.setdefault(doc.text, key)
        return texts

    def find(self, annotation: Annotation) -> tuple[str, Doc]:
        """Find the doc that an annotation is about.

        Args:
            annotation: What came back.

        Returns:
            The key and the doc.

        Raises:
            AnnotationError: If the text was not exported, or its words do not make it.
        """
        if not self.docs:
            doc = self._make_doc(annotation)
            return task_key(doc), doc
        key = annotation.key if annotation.key in self.docs else self.key_by_text.get(annotation.text)
        if key is None:
            raise AnnotationError(
                NOT_EXPORTED,
                f"{annotation.text[:80]!r} is none of the texts that were exported. Give the folder that it was "
                "exported to, or none, where it comes from elsewhere.",
            )
        return key, self.docs[key]

    def _make_doc(self, annotation: Annotation) -> Doc:
        if annotation.words is None:
            return self.nlp.make_doc(annotation.text)
        words = [word for word, _ in annotation.words]
        doc = Doc(self.nlp.vocab, words=words, spaces=[space for _, space in annotation.words])
        if doc.text != annotation.text:
            raise AnnotationError(
                BAD_WORDS,
                f"its tokens make {doc.text[:80]!r}, and its text is {annotation.text[:80]!r}. Leave tokens out.",
            )
        return doc


@dataclass(frozen=True)
class Export:
    """What was exported.

    Attributes:
        labels: Those to choose from.
        texts: The docs.
    """

    labels: list[str]
    texts: ExportedTexts


def write_export(docs: Iterable[Doc], folder: Path, *, format: TaskFormat, labels: Sequence[str]) -> int:
    """Write tasks for experts, with the entities of the docs as suggestions.

    Args:
        docs: The texts; of the same text, words included, there is one task.
        folder: Gets the files of the tool, and `texts.spacy` and `export.json`, from which `read_export` gets the
            words and labels.
        format: Of the experts' tool.
        labels: Those to choose from.

    Returns:
        The number of tasks.

    Raises:
        ValueError: If no text is left.
        OSError: If a file cannot be written.
    """
    unique = {task_key(doc): doc for doc in docs if doc.text.strip()}
    tasks = list(make_tasks(unique.values(), labels))
    write_docbin(map(unlabelled, unique.values()), folder / TEXTS_FILE)
    format.write(tasks, labels, folder)
    with atomic_write(folder / EXPORT_FILE) as partial:
        srsly.write_json(partial, {"labels": list(labels)})
    return len(tasks)


def read_export(folder: Path, nlp: Language) -> Export:
    """Read what `write_export` has written.

    Args:
        folder: Of the export.
        nlp: Gives the vocab and the tokenizer.

    Returns:
        The labels and the texts.

    Raises:
        ExportError: If the folder is no export, or damaged.
    """
    try:
        labels = list(srsly.read_json(folder / EXPORT_FILE)["labels"])
        docs = DocBin().from_disk(folder / TEXTS_FILE).get_docs(nlp.vocab)
        return Export(labels, ExportedTexts.from_docs(docs, nlp))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExportError(
            f"{folder} holds no whole export ({EXPORT_FILE} and {TEXTS_FILE}): {error!r}. Give the folder that "
            "`llama-ner export` wrote."
        ) from error


@dataclass
class CollectedAnnotations:
    """What came back.

    Attributes:
        docs: One for each text with an annotation, in the order of the first annotations.
        statuses: How many annotations were done, skipped, or open.
        skipped: Keys of texts that somebody would not label.
    """

    docs: list[Doc]
    statuses: Counter[AnnotationStatus]
    skipped: set[str]


# number of the record, what it says, and the doc that this makes
_Applied = tuple[int, Annotation, Doc]


def collect(
    files: Sequence[Path],
    texts: ExportedTexts,
    rules: AnnotationRules,
    report: ProblemReport,
    *,
    format: TaskFormat | None = None,
    annotator: str | None = None,
    one_expert: bool = False,
) -> CollectedAnnotations:
    """Read finished files, check every annotation, and merge those of the same text.

    A later annotation of the same expert replaces an earlier one, unless both are partial; then both count. Words on
    which experts disagree are unknown.

    Args:
        files: What the tool has exported.
        texts: What was exported to it.
        rules: Which annotations are allowed.
        report: Gets what does not fit; the rest is kept.
        format: Of the tool; None to guess it by the first record of each file.
        annotator: Whose annotations count; None for all. Where the tool does not say whose an annotation is, the name
            of the file stands for it.
        one_expert: Whether all files without such names are one expert's, the later ones behind the earlier.

    Returns:
        The merged docs.

    Raises:
        ExportError: If it is not clear which tool a file comes from.
        ValueError: If a file cannot be read.
        OSError: likewise.
    """
    statuses: Counter[AnnotationStatus] = Counter()
    skipped: set[str] = set()
    by_text: dict[str, dict[str, list[_Applied]]] = {}
    for path in files:
        prefix = f"{path.name}: " if len(files) > 1 else ""
        for at, annotation in _read_annotations(path, report, format, prefix):
            name = annotation.annotator or ("" if one_expert else path.stem)
            if annotator is not None and name != annotator:
                continue
            statuses[annotation.status] += 1
            if annotation.status == "skipped":
                with suppress(AnnotationError):
                    skipped.add(texts.find(annotation)[0])
            if annotation.status != "done":
                continue
            try:
                key, doc = texts.find(annotation)
                applied = (at, annotation, apply_annotation(doc, annotation, rules))
            except AnnotationError as error:
                report.rejected(at, error.problem, prefix + error.detail)
                continue
            by_expert = by_text.setdefault(key, {})
            by_expert[name] = _add_annotation(by_expert.get(name, []), applied, report)
    docs = [_merge_experts(by_expert, report) for by_expert in by_text.values()]
    return CollectedAnnotations(docs, statuses, skipped)


def _read_annotations(
    path: Path, report: ProblemReport, format: TaskFormat | None, prefix: str
) -> Iterator[tuple[int, Annotation]]:
    first_unclear = 0
    for at, record in read_records(path, report):
        format = format or guess_task_format(record)
        if format is None:
            first_unclear = first_unclear or at
            report.rejected(at, BAD_RECORD, prefix + "it is not clear which tool it comes from.")
            continue
        try:
            annotations = format.read(as_object(record, "the record"))
        except AnnotationError as error:
            annotations = [error]
        for each in annotations:
            if isinstance(each, AnnotationError):
                report.rejected(at, each.problem, prefix + each.detail)
            else:
                yield at, each
    if format is None and first_unclear:
        raise ExportError(
            f"It is not clear which tool record {first_unclear} of {path} comes from. Name the format, or give a "
            "file that Label Studio (JSON, JSON-MIN), Prodigy (db-out) or doccano (JSONL) has exported."
        )


def _add_annotation(earlier: list[_Applied], new: _Applied, report: ProblemReport) -> list[_Applied]:
    """Add an annotation to those of the same expert: partial ones add up, otherwise the latest counts."""
    at, annotation, _ = new
    if not earlier or (annotation.partial and all(each.partial for _, each, _ in earlier)):
        return [*earlier, new]
    report.repaired(
        at,
        ANNOTATED_AGAIN,
        f"{annotation.text[:60]!r} has two annotations of one expert; the later one counts",
    )
    # of those with the same timestamp, or none, the last one
    return [max([new, *reversed(earlier)], key=lambda applied: applied[1].timestamp)]


def _merge_experts(by_expert: dict[str, list[_Applied]], report: ProblemReport) -> Doc:
    docs = [merge_annotations([doc for _, _, doc in annotations]) for annotations in by_expert.values()]
    merged = merge_annotations(docs)
    n_lost = sum(any(doc[i].ent_iob for doc in docs) and not merged[i].ent_iob for i in range(len(merged)))
    if n_lost:
        at = max(at for annotations in by_expert.values() for at, _, _ in annotations)
        experts = ", ".join(by_expert)
        report.repaired(at, DISAGREEMENT, f"{experts} on {merged.text[:60]!r}: {n_lost} words are unknown now")
    return merged
