"""What an expert said of one text, whichever tool it was said in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["done", "skipped", "open"]


class AnswerError(ValueError):
    """An answer, or a record of a file, that cannot be used. `problem` names the kind, `detail` says what to do."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


@dataclass(frozen=True)
class Mark:
    """Characters `start` to `end` of the text carry `label`; `text` is what stands there, where the tool says so."""

    start: int
    end: int
    label: str
    text: str | None = None


@dataclass(frozen=True)
class Answer:
    """One text as one expert left it.

    text: the text as the tool gives it back.
    marks: the entities.
    verdict: "done", "skipped" (the expert would not say) or "open" (nobody has seen it yet).
    key: of the task, where it was exported by this package.
    annotator: who it was, where the tool says so.
    when: a time that sorts as text; empty where the tool gives none.
    partial: words outside of marks are not known, instead of being no entities.
    words: words, and whether a space follows each, where the tool gives them.
    """

    text: str
    marks: tuple[Mark, ...] = ()
    verdict: Verdict = "done"
    key: str | None = None
    annotator: str | None = None
    when: str = ""
    partial: bool = False
    words: tuple[tuple[str, bool], ...] | None = None
