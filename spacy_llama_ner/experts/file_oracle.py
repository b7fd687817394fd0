"""An oracle that asks people by files, whichever tool they work in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import spacy
from spacy.tokens import Doc
from wasabi import msg

from ..data.docs import unlabelled
from ..data.problems import ProblemReport
from .collect import EXPORT_FILE, ExportedTexts, collect, write_export
from .formats import TASK_FORMATS
from .records import Annotation, AnnotationRules, PendingAnnotationsError, apply_annotation, task_key

DONE_FOLDER = "done"
# hexadecimal digits in the name of a folder
HASH_LENGTH = 8


class FileOracle:
    """`spacy_llama_ner.FileOracle.v1`: texts go into folders as `llama-ner export` writes them, for experts to label.

    Attributes:
        folder: Has a folder for each call of `ask`, named after its texts.
        format: Of the experts' tool.
        rules: Which annotations are allowed.
    """

    def __init__(
        self,
        folder: Path,
        format: str,
        labels: Sequence[str],
        *,
        unknown: str | None = None,
        partial: bool = False,
    ) -> None:
        """Set up the oracle; nothing is written yet.

        Args:
            folder: Gets a folder for each call of `ask`.
            format: Of the experts' tool: "label-studio", "prodigy" or "doccano".
            labels: Of the entities.
            unknown: A label for what experts cannot tell; null for none.
            partial: Whether words that they leave unmarked are missing instead of outside.

        Raises:
            ValueError: If the tool is not known.
        """
        if format not in TASK_FORMATS:
            raise ValueError(f"The format {format!r} is not known. Expected is one of {', '.join(TASK_FORMATS)}.")
        self.folder = Path(folder)
        self.format = TASK_FORMATS[format]
        self.rules = AnnotationRules(labels=list(labels), unknown=unknown, partial=partial)

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Return docs with the entities that experts marked, once their finished files are there.

        Args:
            docs: The texts. Their entities, with scores, are shown as suggestions.

        Returns:
            Copies of `docs`. All words are missing in a text that was skipped, or has white space alone.

        Raises:
            PendingAnnotationsError: If texts have no annotation yet.
            ValueError: If a file cannot be used at all.
            OSError: likewise.
        """
        by_key = {task_key(doc): doc for doc in docs}
        asked = {key: doc for key, doc in by_key.items() if doc.text.strip()}
        answers = {key: _all_missing(doc) for key, doc in by_key.items() if key not in asked}
        if asked:
            answers |= self._collect(asked)
        return [answers[task_key(doc)].copy() for doc in docs]

    def _collect(self, asked: Mapping[str, Doc]) -> dict[str, Doc]:
        """Export texts if need be, and collect the annotations of all of them, by the key of their task."""
        folder = self.folder / f"texts-{hashlib.sha256(' '.join(sorted(asked)).encode()).hexdigest()[:HASH_LENGTH]}"
        # this file is the last one that is written
        if not (folder / EXPORT_FILE).exists():
            write_export(asked.values(), folder, format=self.format, labels=self.rules.choices)
        done = folder / DONE_FOLDER
        done.mkdir(exist_ok=True)
        files = [file for file in sorted(done.iterdir()) if file.is_file() and not file.name.startswith(".")]
        next_step = f"put the finished file into {done}, and give the same command again."
        if not files:
            raise PendingAnnotationsError(
                f"{len(asked):,} texts are waiting in {folder / self.format.filename}. {self.format.instructions} "
                f"Then {next_step}"
            )
        report = ProblemReport(str(done))
        texts = ExportedTexts.from_docs(map(unlabelled, asked.values()), spacy.blank("xx"))
        collected = collect(files, texts, self.rules, report, format=self.format, one_expert=True)
        answers = {key: _all_missing(asked[key]) for key in collected.skipped}
        answers |= {task_key(doc): doc for doc in collected.docs}
        problems = [f"Record {each.at}: {each.detail}" for each in report.problems]
        if missing := [doc for key, doc in asked.items() if key not in answers]:
            raise PendingAnnotationsError(
                f"{len(missing):,} of {len(asked):,} texts have no usable annotation in {done}, the first of them "
                f"{missing[0].text[:60]!r}: label them, {next_step} Nothing that is labelled has to be "
                "labelled again." + "".join(f"\n{problem}" for problem in problems)
            )
        for problem in problems:
            msg.warn(problem)
        return answers


def _all_missing(doc: Doc) -> Doc:
    return apply_annotation(unlabelled(doc), Annotation(doc.text, status="skipped"), AnnotationRules())
