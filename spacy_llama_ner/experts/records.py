"""Tasks and annotations, whichever tool they are for: what goes out to an expert, and what comes back.

A tool's format reads annotations with `as_object`, `as_span` and the like; `apply_annotation` checks them and puts
them on a doc.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeVar

from spacy.tokens import Doc, Span

from ..apply.formats import ent_records
from ..data.bio_tags import UNKNOWN_LABEL
from ..data.errors import LlamaNERError
from ..data.records import BAD_RECORD
from ..data.span_alignment import BAD_OFFSETS, OVERLAP

AnnotationStatus = Literal["done", "skipped", "open"]

# problems of annotations, beside those that `data` has too
OTHER_TEXT = "text differs"
CUT_WORD = "cut word"
# hexadecimal digits of a task's key
KEY_LENGTH = 20

T = TypeVar("T")


class AnnotationError(LlamaNERError):
    """An annotation, or a record of a file, that cannot be used.

    Attributes:
        problem: Kind of problem, worded the same for all of the kind so that they can be counted.
        detail: What exactly, and what to do about it.
    """

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


class PendingAnnotationsError(LlamaNERError):
    """Texts that experts have not annotated yet; the message says where they wait and how to go on."""


@dataclass(frozen=True)
class Task:
    """One text for an expert.

    Attributes:
        key: Tells the text, its words included, from all others; the same in every run.
        text: The text.
        words: First character, text, and whether a space follows, of each word.
        suggestions: Entities as of `apply.formats.ent_records`: start, end, label, text, score (None where the model
            gives none).
    """

    key: str
    text: str
    words: list[tuple[int, str, bool]]
    suggestions: list[dict[str, Any]]

    @property
    def score(self) -> float | None:
        """The lowest score of a suggestion, how far the whole can be trusted; None without scores."""
        return min((each["score"] for each in self.suggestions if each["score"] is not None), default=None)


def make_tasks(docs: Iterable[Doc], labels: Collection[str]) -> Iterator[Task]:
    """Make tasks, with the entities of the docs as suggestions.

    Args:
        docs: Of the same text, words included, the first is used; docs of white space alone are skipped.
        labels: Those that experts choose from; others are not suggested.

    Yields:
        A task for each text.
    """
    seen = set()
    for doc in docs:
        key = task_key(doc)
        if key not in seen and doc.text.strip():
            seen.add(key)
            words = [(token.idx, token.text, bool(token.whitespace_)) for token in doc]
            yield Task(key, doc.text, words, [each for each in ent_records(doc) if each["label"] in labels])


def task_key(doc: Doc) -> str:
    """Return the key of the task that `make_tasks` makes of a doc; entities do not count."""
    words = "\0".join(token.text_with_ws for token in doc)
    return hashlib.sha256(words.encode()).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class SpanAnnotation:
    """A part of the text that an expert has given a label.

    Attributes:
        start: First character.
        end: The character behind the last one.
        label: The label.
        text: What stands there, where the tool says so.
    """

    start: int
    end: int
    label: str
    text: str | None = None


@dataclass(frozen=True)
class Annotation:
    """One text as one expert left it.

    Attributes:
        text: The text as the tool gives it back.
        spans: The entities.
        status: "done", "skipped" (the expert would not say) or "open" (nobody has seen it yet).
        key: Of the task, where this package made it.
        annotator: Who it was, where the tool says so.
        timestamp: A time that sorts as text; empty where the tool gives none.
        partial: Whether words outside of spans are unknown, instead of being no entities.
        words: Words, and whether a space follows each, where the tool gives them.
    """

    text: str
    spans: tuple[SpanAnnotation, ...] = ()
    status: AnnotationStatus = "done"
    key: str | None = None
    annotator: str | None = None
    timestamp: str = ""
    partial: bool = False
    words: tuple[tuple[str, bool], ...] | None = None


def as_object(value: object, name: str) -> dict[str, Any]:
    """Return a JSON object; raise AnnotationError for anything else, one that has a key twice included."""
    return _check_type(value, dict, name, "an object with unique keys")


def as_list(value: object, name: str) -> list[Any]:
    """Return a list; raise AnnotationError for anything else."""
    return _check_type(value, list, name, "a list")


def as_text(value: object, name: str) -> str:
    """Return a string that is not blank; raise AnnotationError for anything else."""
    text = as_string(value, name)
    if not text.strip():
        raise AnnotationError(BAD_RECORD, f"{name} is empty. Leave the record out.")
    return text


def as_string(value: object, name: str) -> str:
    """Return a string, blank or not; raise AnnotationError for anything else."""
    return _check_type(value, str, name, "a text")


def as_span(*, start: object, end: object, label: object, text: object = None) -> SpanAnnotation:
    """Make a span of what a record has.

    Args:
        start: First character.
        end: The character behind the last one.
        label: The label.
        text: What stands there; ignored where it is not a string.

    Returns:
        The span; its offsets are not compared with the text yet.

    Raises:
        AnnotationError: If the offsets are no whole numbers or the label is no text.
    """
    for name, offset in (("start", start), ("end", end)):
        if isinstance(offset, bool) or not isinstance(offset, int):
            raise AnnotationError(
                BAD_RECORD,
                f"the {name} of a span is {shorten(offset)}; expected its place in characters, a whole number.",
            )
    assert isinstance(start, int) and isinstance(end, int)
    return SpanAnnotation(start, end, as_text(label, "the label of a span"), text if isinstance(text, str) else None)


def shorten(value: object) -> str:
    """Return a value as it is shown in messages, at most 120 characters."""
    shown = repr(value)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."


def _check_type(value: object, kind: type[T], name: str, expected: str) -> T:
    if not isinstance(value, kind):
        raise AnnotationError(BAD_RECORD, f"{name} is {shorten(value)}; expected {expected}.")
    return value


@dataclass(frozen=True)
class AnnotationRules:
    """Which annotations are allowed, and what they say about other words.

    Attributes:
        labels: Those that are allowed; None for all.
        unknown: The label that experts give to words that they cannot tell; None where they have none.
        partial: Whether words outside of spans are unknown, in every annotation.
    """

    labels: Collection[str] | None = None
    unknown: str | None = None
    partial: bool = False

    @property
    def choices(self) -> list[str]:
        """The labels that experts choose from."""
        return [*(self.labels or ()), *([self.unknown] if self.unknown else [])]


def apply_annotation(doc: Doc, annotation: Annotation, rules: AnnotationRules) -> Doc:
    """Set the entities of a copy of a doc to what an annotation says.

    A skipped annotation leaves all words missing, as spaCy calls it. Where offsets count UTF-16 units, as JavaScript
    does, and the text of the span shows it, they are converted; white space at the ends of a span is left out.

    Args:
        doc: The text; is not changed.
        annotation: What an expert says.
        rules: Which annotations are allowed.

    Returns:
        The copy; words that the annotation says nothing about are missing.

    Raises:
        AnnotationError: If it is about another text, has a label that is not allowed, offsets that do not hold the
            text they claim, or spans that cut words or overlap.
    """
    if annotation.text != doc.text:
        raise AnnotationError(
            OTHER_TEXT,
            f"the text is {shorten(annotation.text)}, and {shorten(doc.text)} was exported. Offsets mean nothing in "
            "another text: annotate this one again.",
        )
    found: dict[tuple[int, int, str], Span] = {}
    for each in annotation.spans:
        span = _to_span(doc, each, rules)
        found[span.start, span.end, span.label_] = span
    spans = sorted(found.values(), key=lambda span: (span.start, span.end))
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise AnnotationError(
                OVERLAP,
                f"{one.text!r} ({one.label_}) and {other.text!r} ({other.label_}) share words. Entities are flat: "
                "keep one of the two.",
            )
    result = doc.copy()
    if annotation.status != "done":
        result.set_ents([], default="missing")
        return result
    copied = [Span(result, span.start, span.end, label=span.label) for span in spans]
    result.set_ents(
        [span for span in copied if span.label_ != rules.unknown],
        missing=[span for span in copied if span.label_ == rules.unknown],
        default="missing" if rules.partial or annotation.partial else "outside",
    )
    return result


def _to_span(doc: Doc, given: SpanAnnotation, rules: AnnotationRules) -> Span:
    if rules.labels is not None and given.label not in rules.labels and given.label != rules.unknown:
        raise AnnotationError(
            UNKNOWN_LABEL,
            f"{given.label!r} (characters {given.start} to {given.end}) is none of the labels "
            f"{', '.join(rules.labels)}. Change the label of the span, or allow it.",
        )
    start, end = _characters(doc.text, given)
    span = doc.char_span(start, end, label=given.label)
    if span is None:
        expanded = doc.char_span(start, end, alignment_mode="expand")
        assert expanded is not None  # "expand" always finds words
        raise AnnotationError(
            CUT_WORD,
            f"{doc.text[start:end]!r} ({given.label}, characters {start} to {end}) begins or ends within a word; "
            f"with whole words it is {expanded.text!r}. Mark that, or nothing.",
        )
    return span


def _characters(text: str, given: SpanAnnotation) -> tuple[int, int]:
    """Find the characters of a span, without white space at its ends."""
    start, end = given.start, given.end
    if given.text is not None and not _is_same(text[max(0, start) : end], given.text):
        start, end = (_from_utf16(text, offset) for offset in (start, end))
        if not _is_same(text[max(0, start) : end], given.text):
            start, end = given.start, given.end
    if not 0 <= start < end <= len(text) or (given.text is not None and not _is_same(text[start:end], given.text)):
        claim = "" if given.text is None else f" are said to hold {given.text!r}, and"
        raise AnnotationError(
            BAD_OFFSETS,
            f"characters {given.start} to {given.end} ({given.label}){claim} hold {text[max(0, start) : end]!r} in a "
            f"text of {len(text)} characters. Mark the entity again.",
        )
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
    if start >= end:
        raise AnnotationError(
            BAD_OFFSETS,
            f"characters {given.start} to {given.end} ({given.label}) hold white space alone. Remove the span.",
        )
    return start, end


def _is_same(found: str, claimed: str) -> bool:
    """Compare two pieces; tools write line breaks as they like, sometimes as a backslash and an n."""

    def normalize(text: str) -> str:
        return re.sub(r"(\\r|\\n|\s)+", " ", text).strip()

    return found == claimed or normalize(found) == normalize(claimed)


def _from_utf16(text: str, offset: int) -> int:
    """Convert an offset that counts characters outside of the Basic Multilingual Plane twice."""
    encoded = text.encode("utf-16-le")[: 2 * max(0, offset)]
    return len(encoded.decode("utf-16-le", errors="replace"))
