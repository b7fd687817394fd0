"""Whether an answer fits its text: label by label, offset by offset."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from spacy.tokens import Doc, Span

from .answer import Answer, AnswerError, Mark
from .fields import show

OTHER_TEXT = "text differs"
UNKNOWN_LABEL = "label not allowed"
BAD_OFFSETS = "wrong offsets"
CUT_WORD = "cut word"
OVERLAP = "overlap"


@dataclass(frozen=True)
class Rules:
    """What is asked of answers.

    labels: those that are allowed; None allows all.
    unknown: the label by which experts mark words that they cannot tell; None where they have none.
    partial: words outside of marks are not known, in every answer.
    """

    labels: Collection[str] | None = None
    unknown: str | None = None
    partial: bool = False

    @property
    def shown(self) -> list[str]:
        """What experts choose from."""
        return [*(self.labels or ()), *([self.unknown] if self.unknown else [])]


def apply_answer(doc: Doc, answer: Answer, rules: Rules) -> Doc:
    """A copy of `doc` with the entities of an answer. Words that nobody spoke about are missing, as spaCy calls it.

    An answer that was skipped leaves all words missing. Where offsets count UTF-16 units, as JavaScript does, and the
    text of the mark tells so, they are put right; white space at the ends of a mark is left out.

    Raises: AnswerError for another text, a label that is not allowed, offsets that do not hold the text they claim,
    marks that cut words or overlap.
    """
    if answer.text != doc.text:
        raise AnswerError(
            OTHER_TEXT,
            f"the text is {show(answer.text)}, and {show(doc.text)} was given out. Offsets mean nothing in another "
            "text: mark this one again.",
        )
    found: dict[tuple[int, int, str], Span] = {}
    for mark in answer.marks:
        _check_label(mark, rules)
        span = _on_words(doc, mark, *_characters(doc.text, mark))
        found[span.start, span.end, span.label_] = span
    spans = sorted(found.values(), key=lambda span: (span.start, span.end))
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise AnswerError(
                OVERLAP,
                f"{one.text!r} ({one.label_}) and {other.text!r} ({other.label_}) share words. Entities are flat: "
                "keep one of the two.",
            )
    result = doc.copy()
    if answer.verdict != "done":
        result.set_ents([], default="missing")
        return result
    kept = [Span(result, span.start, span.end, label=span.label) for span in spans]
    result.set_ents(
        [span for span in kept if span.label_ != rules.unknown],
        missing=[span for span in kept if span.label_ == rules.unknown],
        default="missing" if rules.partial or answer.partial else "outside",
    )
    return result


def _check_label(mark: Mark, rules: Rules) -> None:
    if rules.labels is None or mark.label in rules.labels or mark.label == rules.unknown:
        return
    raise AnswerError(
        UNKNOWN_LABEL,
        f"{mark.label!r} (characters {mark.start} to {mark.end}) is none of the labels {', '.join(rules.labels)}. "
        "Change the label of the mark, or allow it.",
    )


def _characters(text: str, mark: Mark) -> tuple[int, int]:
    """Where the mark is, without white space at its ends."""
    start, end = mark.start, mark.end
    if mark.text is not None and not _same(text[max(0, start) : end], mark.text):
        start, end = (_from_utf16(text, offset) for offset in (start, end))
        if not _same(text[max(0, start) : end], mark.text):
            start, end = mark.start, mark.end
    if not 0 <= start < end <= len(text) or (mark.text is not None and not _same(text[start:end], mark.text)):
        claimed = "" if mark.text is None else f" are said to hold {mark.text!r}, and"
        raise AnswerError(
            BAD_OFFSETS,
            f"characters {mark.start} to {mark.end} ({mark.label}){claimed} hold {text[max(0, start) : end]!r} in a "
            f"text of {len(text)} characters. Mark the entity again.",
        )
    piece = text[start:end]
    start, end = start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
    if start >= end:
        raise AnswerError(
            BAD_OFFSETS, f"characters {mark.start} to {mark.end} ({mark.label}) hold white space alone."
        )
    return start, end


def _on_words(doc: Doc, mark: Mark, start: int, end: int) -> Span:
    span = doc.char_span(start, end, label=mark.label)
    if span is None:
        whole = doc.char_span(start, end, alignment_mode="expand")
        assert whole is not None  # "expand" always finds words
        raise AnswerError(
            CUT_WORD,
            f"{doc.text[start:end]!r} ({mark.label}, characters {start} to {end}) begins or ends within a word; with "
            f"whole words it is {whole.text!r}. Mark that, or nothing.",
        )
    return span


def _same(found: str, claimed: str) -> bool:
    """Whether two pieces are the same; tools write line breaks as they like, sometimes as a backslash and an n."""
    return found == claimed or _spaced(found) == _spaced(claimed)


def _spaced(text: str) -> str:
    return re.sub(r"(\\r|\\n|\s)+", " ", text).strip()


def _from_utf16(text: str, offset: int) -> int:
    """The character at an offset that counts what lies outside of the Basic Multilingual Plane twice."""
    encoded = text.encode("utf-16-le")[: 2 * max(0, offset)]
    return len(encoded.decode("utf-16-le", errors="replace"))
