"""A stream of texts to a stream of Docs that a language model has labelled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spacy.tokens import Doc

from ..data.docbin import Summary
from ..data.report import Report
from .jobs import Job
from .labeller import Labelled, Labeller
from .run import Run

NO_TEXT = "unusable record"
FAILED = "no usable reply"


class NothingLabelledError(ValueError):
    """Not one text got a usable reply."""


def label_texts(
    texts: Iterable[tuple[int, Doc | str]], labeller: Labeller, run: Run, report: Report
) -> Iterator[Doc]:
    """The docs among `texts`, in their order, with the entities that the model found.

    texts: number and Doc; or, in place of the Doc, why there is none.
    report: gets what was wrong with texts and replies, in the order of the texts once all are read. Texts without
        a usable reply are left out, and stand there as rejected.

    Raises: NothingLabelledError where all that were asked about are such; as `Run.answers`.
    """
    numbers: deque[int] = deque()

    def jobs() -> Iterator[Job[Labelled]]:
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


def account(run: Run, report: Report, summary: Summary | None = None) -> dict[str, Any]:
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
