"""From a text to the question about its entities, and from the reply to a Doc that has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from spacy.tokens import Doc

from ..data.annotator import put_pieces
from ..data.records import Piece
from ..data.report import Problem, Report
from ..data.tags import split_tag
from .chat import Question, Reject, Reply
from .formats.base import CUT_OFF, OTHER_WORDS
from .jobs import Job
from .prompts import Prompt

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

    def job(self, doc: Doc, at: int = 1) -> Job[Labelled]:
        """The question about `doc`; its reply is put into `doc` itself. `at`: number of the text, for problems."""
        examples = self._examples_for(doc) if self._examples_for else ()
        question = Question(
            messages=self.prompt.messages(doc, self.labels, examples),
            schema=self._schema,
            max_tokens=self._max_tokens or max(512, 24 * len(doc)),
            text=doc.text,
        )
        return Job(question, lambda reply: self.read(reply, doc, at))

    def read(self, reply: Reply, doc: Doc, at: int = 1) -> Labelled:
        """Set the entities of `doc`, replacing others, to what the reply says. Raises: Reject."""
        report = Report("")

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
