"""From a text to the question about its entities, and from the reply to a Doc that has them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confection import Config, ConfigValidationError
from spacy.tokens import Doc

from ..data.bio_tags import split_tag
from ..data.docbin import Summary
from ..data.errors import LlamaNERError
from ..data.problems import Problem, ProblemReport
from ..data.records import Piece
from ..data.span_alignment import put_pieces
from .backends.base import Question, Reject, Reply
from .formats.base import CUT_OFF, OTHER_WORDS
from .prompts import Prompt
from .runner import PromptJob, Runner

LABEL_SPELLING = "label spelled otherwise"

ExamplesFor = Callable[[Doc], Sequence[Doc]]


@dataclass(frozen=True)
class Labelled:
    """A Doc with its entities, and what was wrong with the reply they come from."""

    doc: Doc
    problems: list[Problem]


class Labeller:
    """Asks for the entities of texts with one prompt.

    labels: descriptions, which may be empty, by label.
    examples_for: the solved examples that go with a text; none by default.
    max_tokens: how long a reply may get; by default what a text of its length could ever need, and no less than 512.
    """

    def __init__(
        self,
        prompt: Prompt,
        labels: Mapping[str, str],
        *,
        examples_for: ExamplesFor | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self.prompt = prompt
        self.labels = labels
        self._examples_for = examples_for
        self._max_tokens = max_tokens
        self._schema = prompt.format.schema(labels)
        self._spellings = {label.casefold(): label for label in labels}

    def job(self, doc: Doc, at: int = 1) -> PromptJob[Labelled]:
        """The question about `doc`; its reply is put into `doc` itself. `at`: number of the text, for problems."""
        examples = self._examples_for(doc) if self._examples_for else ()
        question = Question(
            messages=self.prompt.messages(doc, self.labels, examples),
            schema=self._schema,
            max_tokens=self._max_tokens or max(512, 24 * len(doc)),
            text=doc.text,
        )
        return PromptJob(question, lambda reply: self.read(reply, doc, at))

    def read(self, reply: Reply, doc: Doc, at: int = 1) -> Labelled:
        """Set the entities of `doc`, replacing others, to what the reply says. Raises: Reject."""
        report = ProblemReport("")

        def note(problem: str, detail: str) -> None:
            report.repaired(at, problem, detail)
            if reply.cut and problem == OTHER_WORDS:
                raise Reject(CUT_OFF, f"after {reply.output_tokens} tokens")

        pieces = self.prompt.format.parse(reply.text, doc, labels=self.labels, note=note)
        put_pieces(doc, [self._spelled(p, note) for p in pieces], at=at, report=report, labels=self.labels)
        return Labelled(doc, report.problems)

    def _spelled(self, piece: Piece, note: Callable[[str, str], None]) -> Piece:
        # what cannot be written to a file is no label
        piece = replace(piece, tag=piece.tag.encode("utf8", "replace").decode())
        parts = split_tag(piece.tag)
        known = self._spellings.get(parts[1].casefold()) if parts else None
        if parts is None or known is None or known == parts[1]:
            return piece
        note(LABEL_SPELLING, f"{parts[1]!r} taken as {known!r}")
        return replace(piece, tag=f"{parts[0]}-{known}")


SECTION = "labels"
SUFFIX = ".cfg"
# what could not be told from the marks around it, or from a tag
NAME = re.compile(r"[^\s,\[\]()\"`]{1,60}")


class LabelError(LlamaNERError):
    """Labels that cannot be worked with."""


def read_labels(given: str) -> dict[str, str]:
    """Descriptions by label; empty ones where there are none.

    given: names with commas between, or a `.cfg` file with a section `[labels]`, where each name has a description.
    Raises: LabelError.
    """
    if not given.strip().endswith(SUFFIX):
        return check_labels({name.strip(): "" for name in given.split(",") if name.strip()})
    return labels_of(read_config(Path(given.strip())))


def read_config(path: Path) -> Mapping[str, Any]:
    """The sections of a config file. Raises: LabelError."""
    try:
        return Config().from_str(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelError(f"The config {path} cannot be read: {error}") from error
    except (ValueError, ConfigValidationError) as error:
        raise LabelError(
            f"The config {path} cannot be read. Values are JSON, text in double quotes.\n{error}"
        ) from error


def labels_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The section `[labels]` of a config. Raises: LabelError."""
    section = config.get(SECTION)
    if not isinstance(section, Mapping):
        raise LabelError(
            f'The config has no section [{SECTION}]. Give one, with a line NAME = "description" for each.'
        )
    wrong = [name for name, description in section.items() if not isinstance(description, str | None)]
    if wrong:
        raise LabelError(f"The description of {wrong[0]} is no text: {section[wrong[0]]!r}. Put it in double quotes.")
    return check_labels({name: (description or "").strip() for name, description in section.items()})


def check_labels(labels: dict[str, str]) -> dict[str, str]:
    """`labels` as they are. Raises: LabelError for none, or one that looks like a mark or like another."""
    if not labels:
        raise LabelError("There are no labels. Give their names, as in PERSON,PLACE.")
    for name in labels:
        if not NAME.fullmatch(name):
            raise LabelError(
                f"{name!r} cannot be a label: it has white space, commas, quotes or brackets, or is too long."
            )
    spellings: dict[str, str] = {}
    for name in labels:
        other = spellings.setdefault(name.casefold(), name)
        if other != name:
            raise LabelError(
                f"The labels {other!r} and {name!r} differ in case alone. Give one of them another name."
            )
    return labels


NO_TEXT = "unusable record"
FAILED = "no usable reply"


class NothingLabelledError(LlamaNERError):
    """Not one text got a usable reply."""


def label_texts(
    texts: Iterable[tuple[int, Doc | str]], labeller: Labeller, run: Runner, report: ProblemReport
) -> Iterator[Doc]:
    """The docs among `texts`, in their order, with the entities that the model found.

    texts: number and Doc; or, in place of the Doc, why there is none.
    report: gets what was wrong with texts and replies, in the order of the texts once all are read. Texts without
        a usable reply are left out, and stand there as rejected.

    Raises: NothingLabelledError where all that were asked about are such; as `Runner.answers`.
    """
    numbers: deque[int] = deque()

    def jobs() -> Iterator[PromptJob[Labelled]]:
        for at, text in texts:
            if isinstance(text, str):
                report.rejected(at, NO_TEXT, text)
            else:
                numbers.append(at)
                yield labeller.job(text, at)

    for outcome in run.answers(jobs()):
        at = numbers.popleft()
        if outcome.value is None:
            report.rejected(at, FAILED, str(outcome.failure))
        else:
            report.problems += outcome.value.problems
            yield outcome.value.doc
    report.problems.sort(key=lambda problem: problem.at)
    failures = [problem.detail for problem in report.problems if problem.problem == FAILED]
    if failures and len(failures) == run.progress.tally.settled:
        raise NothingLabelledError(f"None of {len(failures)} texts got a usable reply. The first: {failures[0]}")


def account(run: Runner, report: ProblemReport, summary: Summary | None = None) -> dict[str, Any]:
    """What came out, for a file: the same for the same replies, however often the run was interrupted.

    Counts of texts and replies, tokens and cost of all replies, problems by kind, and words and entities written.
    """
    tally = run.progress.tally
    written: Mapping[str, Any] = {}
    if summary is not None:
        entities = dict(sorted(summary.entities.items()))
        written = {"docs": summary.docs, "words": summary.tokens, "entities": entities}
    return {
        "questions": tally.settled,
        "failed": tally.failed,
        "replies": tally.asked + tally.logged,
        "rejected_replies": dict(sorted(tally.rejected.items())),
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "cost": run.progress.cost,
        **written,
        "problems": {f"{what} ({action})": n for (what, action), n in sorted(report.counts().items())},
    }
