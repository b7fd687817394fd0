"""Fields of records that others wrote: there and of the right kind, or refused."""

from __future__ import annotations

from typing import Any, TypeVar

from .answer import AnswerError, Mark

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
