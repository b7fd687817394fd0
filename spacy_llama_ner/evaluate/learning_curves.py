"""Learning curves: what a training logged, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from ..data.errors import LlamaNERError
from ..data.files import read_utf8

FIGURES = ("loss", "ents_p", "ents_r", "ents_f", "ents_token_acc")


_ADVICE = "Each line is one evaluation, as the curve logger writes it; mend the line or leave it out."


class CurveError(LlamaNERError):
    """A file of learning curves that cannot be read."""


@dataclass(frozen=True)
class Figures:
    """What was measured on one part of the data; what was not is not in there.

    values: some of `FIGURES`; per_type: F1 by label. Shares from 0 to 1.
    """

    values: dict[str, float] = field(default_factory=dict)
    per_type: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One evaluation during training. losses: by component, as spaCy sums them since the last evaluation.

    max_steps, patience: the limits in the training's config, in steps; None where nobody says, or there are none.
    """

    step: int
    epoch: int | None
    seconds: float | None
    losses: dict[str, float]
    train: Figures
    dev: Figures
    max_steps: int | None = None
    patience: int | None = None


def read_curve(path: Path) -> list[Point]:
    """Read JSONL, one evaluation a line, in the order of their steps.

    A line is `{"step": 250, "epoch": 1, "seconds": 60.5, "losses": {"llama_ner": 3.2}, "train": {...}, "dev":
    {...}, "max_steps": 1000, "patience": 400}`, where train and dev may have `FIGURES` and ents_per_type (p, r, f by
    label). Only step has to be there; null, NaN and infinity count as not there.

    Raises: OSError when the file cannot be read, CurveError with the number of the first line that is wrong.
    """
    try:
        lines = read_utf8(path).split("\n")
    except ValueError as error:
        raise CurveError(str(error)) from error
    points: list[Point] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                points.append(_point(line, after=points[-1].step if points else 0))
            except CurveError as error:
                raise CurveError(f"{path}, line {number}: {error}") from error
    if not points:
        raise CurveError(f"{path} holds no line. Give the file that a training with a curve logger wrote.")
    return points


def _point(line: str, *, after: int) -> Point:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise CurveError(f"this is not JSON ({error.msg}, column {error.colno}): {line[:80]!r}. {_ADVICE}") from error
    if not isinstance(record, dict):
        raise CurveError(f"this is not a JSON object: {line[:80]!r}. {_ADVICE}")
    step, epoch = (_whole(record, key) for key in ("step", "epoch"))
    if step is None:
        raise CurveError(f"there is no step. {_ADVICE}")
    if step < after:
        raise CurveError(f"step {step} comes after step {after}. Give the file of one training, in its order.")
    return Point(
        step=step,
        epoch=epoch,
        seconds=_number(record, "seconds"),
        losses=_numbers(_object(record, "losses")),
        train=_figures(_object(record, "train")),
        dev=_figures(_object(record, "dev")),
        max_steps=_whole(record, "max_steps") or None,
        patience=_whole(record, "patience") or None,
    )


def _figures(record: Mapping[str, Any]) -> Figures:
    per_type = _object(record, "ents_per_type")
    f = {label: _number(_object(per_type, label), "f") for label in per_type}
    return Figures(
        values=_numbers({key: record.get(key) for key in FIGURES}),
        per_type={label: value for label, value in f.items() if value is not None},
    )


def _object(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    if value is not None and not isinstance(value, dict):
        raise CurveError(f"{key} is {value!r}, not an object. {_ADVICE}")
    return value or {}


def _numbers(record: Mapping[str, Any]) -> dict[str, float]:
    found = {key: _number(record, key) for key in record}
    return {key: value for key, value in found.items() if value is not None}


def _number(record: Mapping[str, Any], key: str) -> float | None:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise CurveError(f"{key} is {value!r}, not a number. {_ADVICE}")
    try:
        return float(value) if value is not None and isfinite(value) else None
    except OverflowError:
        raise CurveError(f"{key} is too large for a float. {_ADVICE}") from None


def _whole(record: Mapping[str, Any], key: str) -> int | None:
    value = _number(record, key)
    if value is not None and (value < 0 or value != int(value)):
        raise CurveError(f"{key} is {value}, not a whole number. {_ADVICE}")
    return None if value is None else int(value)
