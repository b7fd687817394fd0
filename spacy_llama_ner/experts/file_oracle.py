"""An oracle that asks people by files, whatever tool they work in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import spacy
from spacy.tokens import Doc
from wasabi import msg

from ..data.docs import unlabelled
from ..data.errors import LlamaNERError
from ..data.problems import ProblemReport
from .collect import ABOUT, Rules, Texts, apply_answer, collect, write_tasks
from .formats import FORMATS
from .records import Answer, task_key

DONE = "done"
DIGITS = 8


class WaitingError(LlamaNERError):
    """Texts that have no answer yet; the message says where they are and how to go on."""


class FileOracle:
    """`spacy_llama_ner.FileOracle.v1`: texts go into folders as `llama-ner export` writes them, for experts to label.

    folder: gets a folder for each call of `ask`, named after its texts.
    format: of the experts' tool: "label-studio", "prodigy" or "doccano".
    labels: of the entities.
    unknown: a label for what experts cannot tell; null for none. partial: whether words that they leave unmarked are
        open instead of outside (see `check.Rules`).

    Raises: ValueError for a tool that is not known.
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
        if format not in FORMATS:
            raise ValueError(f"The format {format!r} is not known. Expected is one of {', '.join(FORMATS)}.")
        self.folder = Path(folder)
        self.format = FORMATS[format]
        self.rules = Rules(labels=list(labels), unknown=unknown, partial=partial)

    def ask(self, docs: Sequence[Doc]) -> list[Doc]:
        """Copies of `docs` with the entities that experts marked, once their finished files are there.

        The entities of `docs`, and their scores, are shown as suggestions. Of a text that was skipped, and of white
        space alone, nothing is known.

        Raises: WaitingError where texts have no answer yet, ValueError or OSError where a file cannot be used at all.
        """
        questions = {task_key(doc): doc for doc in docs}
        asked = {key: doc for key, doc in questions.items() if doc.text.strip()}
        answers = {key: _open(doc) for key, doc in questions.items() if key not in asked}
        if asked:
            answers |= self._answers(asked)
        return [answers[task_key(doc)].copy() for doc in docs]

    def _answers(self, asked: Mapping[str, Doc]) -> dict[str, Doc]:
        folder = self.folder / f"texts-{hashlib.sha256(' '.join(sorted(asked)).encode()).hexdigest()[:DIGITS]}"
        # this file is the last to be written
        if not (folder / ABOUT).exists():
            write_tasks(asked.values(), folder, format=self.format, labels=self.rules.shown)
        done = folder / DONE
        done.mkdir(exist_ok=True)
        files = [file for file in sorted(done.iterdir()) if file.is_file() and not file.name.startswith(".")]
        how = f"put the finished file into {done}, and give the same command again."
        if not files:
            raise WaitingError(
                f"{len(asked):,} texts are waiting in {folder / self.format.file}. {self.format.advice} Then {how}"
            )
        report = ProblemReport(str(done))
        texts = Texts.of(map(unlabelled, asked.values()), spacy.blank("xx"))
        found = collect(files, texts, self.rules, report, format=self.format, one_expert=True)
        answers = {key: _open(asked[key]) for key in found.skipped}
        answers |= {task_key(doc): doc for doc in found.docs}
        problems = [f"Record {each.at}: {each.detail}" for each in report.problems]
        if missing := [doc for key, doc in asked.items() if key not in answers]:
            raise WaitingError(
                f"{len(missing):,} of {len(asked):,} texts have no usable answer in {done}, the first of them "
                f"{missing[0].text[:60]!r}: label them, {how} Nothing that is labelled has to be labelled again."
                + "".join(f"\n{problem}" for problem in problems)
            )
        for problem in problems:
            msg.warn(problem)
        return answers


def _open(doc: Doc) -> Doc:
    return apply_answer(unlabelled(doc), Answer(doc.text, verdict="skipped"), Rules())
