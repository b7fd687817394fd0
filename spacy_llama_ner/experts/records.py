"""What an expert said of one text, whichever tool it was said in."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from spacy.tokens import Doc

from ..apply.formats import entities
from ..data.errors import LlamaNERError

Verdict = Literal["done", "skipped", "open"]


class AnswerError(LlamaNERError):
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


BAD_RECORD = "unusable record"

T = TypeVar("T")


def as_object(value: object, name: str) -> dict[str, Any]:
    """A JSON object. Raises AnswerError for anything else, one that has a key twice included."""
    return _as(value, dict, name, "an object with unique keys")


def as_list(value: object, name: str) -> list[Any]:
    """A list. Raises AnswerError for anything else."""
    return _as(value, list, name, "a list")


def as_text(value: object, name: str) -> str:
    """A string that is not blank. Raises AnswerError for anything else."""
    text = as_string(value, name)
    if not text.strip():
        raise AnswerError(BAD_RECORD, f"{name} is empty. Leave the record out.")
    return text


def as_string(value: object, name: str) -> str:
    """A string, blank or not. Raises AnswerError for anything else."""
    return _as(value, str, name, "a text")


def as_mark(*, start: object, end: object, label: object, text: object = None) -> Mark:
    """A mark. Raises AnswerError where the offsets are no whole numbers or the label is no text."""
    for name, offset in (("start", start), ("end", end)):
        if isinstance(offset, bool) or not isinstance(offset, int):
            raise AnswerError(
                BAD_RECORD,
                f"the {name} of a mark is {show(offset)}; expected its place in characters, a whole number.",
            )
    assert isinstance(start, int) and isinstance(end, int)
    return Mark(start, end, as_text(label, "the label of a mark"), text if isinstance(text, str) else None)


def show(value: object) -> str:
    """A value in a message, cut short."""
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."


def _as(value: object, kind: type[T], name: str, wanted: str) -> T:
    if not isinstance(value, kind):
        raise AnswerError(BAD_RECORD, f"{name} is {show(value)}; expected {wanted}.")
    return value


DIGITS = 20


@dataclass(frozen=True)
class Task:
    """One text for an expert.

    key: tells the text, its words included, from all others; the same in every run.
    words: (first character, text, whether a space follows) of each word.
    suggestions: as of `apply.records.entities`: start, end, label, text, score (None where the model gives none).
    """

    key: str
    text: str
    words: list[tuple[int, str, bool]]
    suggestions: list[dict[str, Any]]

    @property
    def score(self) -> float | None:
        """The lowest score of a suggestion: how far the whole can be trusted. None without scores."""
        return min((each["score"] for each in self.suggestions if each["score"] is not None), default=None)


def make_tasks(docs: Iterable[Doc], labels: Collection[str]) -> Iterator[Task]:
    """A task for each text, with the entities of its doc as suggestions; of the same text, words included, only one.

    labels: those that experts choose from; others are not suggested. Docs of white space alone are passed over.
    """
    seen = set()
    for doc in docs:
        key = task_key(doc)
        if key not in seen and doc.text.strip():
            seen.add(key)
            words = [(token.idx, token.text, bool(token.whitespace_)) for token in doc]
            yield Task(key, doc.text, words, [each for each in entities(doc) if each["label"] in labels])


def task_key(doc: Doc) -> str:
    """The key of the task that `make_tasks` makes of `doc`; entities do not count."""
    words = "\0".join(token.text_with_ws for token in doc)
    return hashlib.sha256(words.encode()).hexdigest()[:DIGITS]
