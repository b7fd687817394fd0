"""Texts labelled by a model: from a text to the request for its entities, and from the reply to a Doc with them."""

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
from ..data.docbin import CorpusSummary
from ..data.errors import LlamaNERError
from ..data.problems import Problem, ProblemReport
from ..data.records import BAD_RECORD, TaggedPiece
from ..data.span_alignment import align_pieces
from .backends.base import ChatRequest, RejectedReplyError, Reply
from .formats.base import CUT_OFF, OTHER_WORDS
from .prompts import LabellingPrompt
from .runner import PromptJob, Runner

LABELS_SECTION = "labels"
CONFIG_SUFFIX = ".cfg"
# white space, commas, quotes and brackets would be read as part of a tag or an inline mark
LABEL_NAME = re.compile(r"[^\s,\[\]()\"`]{1,60}")

# problems of texts and replies
LABEL_SPELLING = "label spelled otherwise"
NO_USABLE_REPLY = "no usable reply"

SelectExamples = Callable[[Doc], Sequence[Doc]]


class LabelError(LlamaNERError):
    """Labels, or a config with them, that cannot be used."""


class NothingLabelledError(LlamaNERError):
    """A run in which not one text got a usable reply."""


def read_labels(given: str) -> dict[str, str]:
    """Read the labels that a command is given.

    Args:
        given: Names with commas between, or a `.cfg` file with a section `[labels]`, where each name has a
            description.

    Returns:
        Descriptions by label; empty ones where there are none.

    Raises:
        LabelError: If there are no labels, or some that cannot be used.
    """
    if not given.strip().endswith(CONFIG_SUFFIX):
        return check_labels({name.strip(): "" for name in given.split(",") if name.strip()})
    return labels_from_config(read_yaml_config(Path(given.strip())))


def read_yaml_config(path: Path) -> Mapping[str, Any]:
    """Read a config file.

    Args:
        path: The file.

    Returns:
        Its sections.

    Raises:
        LabelError: If it cannot be read.
    """
    try:
        return Config().from_str(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelError(f"The config {path} cannot be read: {error}") from error
    except (ValueError, ConfigValidationError) as error:
        raise LabelError(
            f"The config {path} cannot be read. Values are JSON, text in double quotes.\n{error}"
        ) from error


def labels_from_config(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the section `[labels]` of a config.

    Args:
        config: See `read_yaml_config`.

    Returns:
        Descriptions by label; empty ones where the config has null.

    Raises:
        LabelError: If there is no such section, or something in it does not fit.
    """
    section = config.get(LABELS_SECTION)
    if not isinstance(section, Mapping):
        raise LabelError(
            f'The config has no section [{LABELS_SECTION}]. Give one, with a line NAME = "description" for each.'
        )
    wrong = [name for name, description in section.items() if not isinstance(description, str | None)]
    if wrong:
        raise LabelError(f"The description of {wrong[0]} is no text: {section[wrong[0]]!r}. Put it in double quotes.")
    return check_labels({name: (description or "").strip() for name, description in section.items()})


def check_labels(labels: dict[str, str]) -> dict[str, str]:
    """Return `labels` as they are.

    Args:
        labels: Descriptions by label.

    Returns:
        The same.

    Raises:
        LabelError: If there are none, or one that could be read as a mark or taken for another.
    """
    if not labels:
        raise LabelError("There are no labels. Give their names, as in PERSON,PLACE.")
    for name in labels:
        if not LABEL_NAME.fullmatch(name):
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


@dataclass(frozen=True)
class LabelledDoc:
    """A text that a model has labelled.

    Attributes:
        doc: The text with its entities.
        problems: What was wrong with the reply they come from.
    """

    doc: Doc
    problems: list[Problem]


class Labeller:
    """Makes the requests for the entities of texts, and reads the replies.

    Attributes:
        prompt: The prompt.
        labels: Descriptions by label, which may be empty.
    """

    def __init__(
        self,
        prompt: LabellingPrompt,
        labels: Mapping[str, str],
        *,
        select_examples: SelectExamples | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """Prepare the requests.

        Args:
            prompt: The prompt.
            labels: Descriptions by label, which may be empty.
            select_examples: Returns the labelled examples that are shown with a text; none by default.
            max_tokens: Maximum length of a reply; by default what a text of its length could ever need, and no less
                than 512.
        """
        self.prompt = prompt
        self.labels = labels
        self._select_examples = select_examples
        self._max_tokens = max_tokens
        self._schema = prompt.format.schema(labels)
        self._spellings = {label.casefold(): label for label in labels}

    def make_job(self, doc: Doc, at: int = 1) -> PromptJob[LabelledDoc]:
        """Make the job that labels one text.

        Args:
            doc: The text, which gets the entities.
            at: Number of the text, for problems.

        Returns:
            The request for its entities, with the parser of the reply.
        """
        examples = self._select_examples(doc) if self._select_examples else ()
        request = ChatRequest(
            messages=self.prompt.messages(doc, self.labels, examples),
            schema=self._schema,
            max_tokens=self._max_tokens or max(512, 24 * len(doc)),
            text=doc.text,
        )
        return PromptJob(request, lambda reply: self.parse(reply, doc, at))

    def parse(self, reply: Reply, doc: Doc, at: int = 1) -> LabelledDoc:
        """Set the entities of a text to what a reply says, in place of any that it had.

        Args:
            reply: Of the model.
            doc: The text.
            at: Number of the text, for problems.

        Returns:
            `doc` and the problems of the reply.

        Raises:
            RejectedReplyError: If the reply cannot be used.
        """
        report = ProblemReport("")

        def on_repair(problem: str, detail: str) -> None:
            report.repaired(at, problem, detail)
            if reply.cut and problem == OTHER_WORDS:
                raise RejectedReplyError(CUT_OFF, f"after {reply.output_tokens} tokens")

        pieces = self.prompt.format.parse(reply.text, doc, labels=self.labels, on_repair=on_repair)
        pieces = [self._fix_spelling(piece, on_repair) for piece in pieces]
        align_pieces(doc, pieces, at=at, report=report, labels=self.labels)
        return LabelledDoc(doc, report.problems)

    def _fix_spelling(self, piece: TaggedPiece, on_repair: Callable[[str, str], None]) -> TaggedPiece:
        """Replace a label that differs in case by the one that was asked for."""
        # half a surrogate pair cannot be written to a file
        piece = replace(piece, tag=piece.tag.encode("utf8", "replace").decode())
        parts = split_tag(piece.tag)
        known = self._spellings.get(parts[1].casefold()) if parts else None
        if parts is None or known is None or known == parts[1]:
            return piece
        on_repair(LABEL_SPELLING, f"{parts[1]!r} taken as {known!r}")
        return replace(piece, tag=f"{parts[0]}-{known}")


def label_texts(
    texts: Iterable[tuple[int, Doc | str]], labeller: Labeller, runner: Runner, report: ProblemReport
) -> Iterator[Doc]:
    """Label texts.

    Args:
        texts: Number and Doc of each; in place of the Doc, the reason why there is none.
        labeller: Makes the requests.
        runner: Sends them.
        report: Gets what was wrong with texts and replies, in the order of the texts once all are read. Texts without
            a usable reply are left out, and listed there as rejected.

    Yields:
        The docs among `texts`, in their order, with the entities that the model found.

    Raises:
        NothingLabelledError: If not one text got a usable reply.
        BackendRefusedError: See `Runner.run`.
        OSError: likewise.
    """
    numbers: deque[int] = deque()

    def jobs() -> Iterator[PromptJob[LabelledDoc]]:
        for at, text in texts:
            if isinstance(text, str):
                report.rejected(at, BAD_RECORD, text)
            else:
                numbers.append(at)
                yield labeller.make_job(text, at)

    for outcome in runner.run(jobs()):
        at = numbers.popleft()
        if outcome.value is None:
            report.rejected(at, NO_USABLE_REPLY, str(outcome.failure))
        else:
            report.problems += outcome.value.problems
            yield outcome.value.doc
    report.problems.sort(key=lambda problem: problem.at)
    failures = [problem.detail for problem in report.problems if problem.problem == NO_USABLE_REPLY]
    if failures and len(failures) == runner.progress.stats.finished:
        raise NothingLabelledError(f"None of {len(failures)} texts got a usable reply. The first: {failures[0]}")


def summarize_run(runner: Runner, report: ProblemReport, summary: CorpusSummary | None = None) -> dict[str, Any]:
    """Summarize a run, for a file: the same for the same replies, however often the run was interrupted.

    Args:
        runner: The run.
        report: The problems of texts and replies.
        summary: Of the corpus that was written, if any.

    Returns:
        Counts of texts and replies, tokens and cost of all replies, problems by kind, and the words and entities of
        the corpus.
    """
    stats = runner.progress.stats
    written: Mapping[str, Any] = {}
    if summary is not None:
        entities = dict(sorted(summary.entities.items()))
        written = {"docs": summary.docs, "words": summary.tokens, "entities": entities}
    return {
        "questions": stats.finished,
        "failed": stats.failed,
        "replies": stats.new_replies + stats.logged_replies,
        "rejected_replies": dict(sorted(stats.rejections.items())),
        "input_tokens": stats.input_tokens,
        "output_tokens": stats.output_tokens,
        "cost": runner.progress.cost,
        **written,
        "problems": {f"{what} ({action})": n for (what, action), n in sorted(report.counts().items())},
    }
