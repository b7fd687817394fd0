"""The file of learning curves, `curve.jsonl`: its schema, writer and reader.

`CurveLogger` writes a line at each evaluation of a training, and `llama-ner report --curve` draws them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import srsly

from ..data.errors import LlamaNERError
from ..data.files import read_utf8, replace_non_finite
from .scorer import ENTS_F, ENTS_P, ENTS_PER_TYPE, ENTS_R, ENTS_TOKEN_ACC, Scores

CURVE_FILE = "curve.jsonl"
LOSS = "loss"
VALUES = (LOSS, ENTS_P, ENTS_R, ENTS_F, ENTS_TOKEN_ACC)
_ADVICE = "Each line is one evaluation, as the curve logger writes it; correct the line or remove it."


class CurveError(LlamaNERError):
    """A file of learning curves that cannot be read."""


@dataclass(frozen=True)
class SplitScores:
    """What an evaluation measured on one part of the data. What it did not measure is missing.

    Attributes:
        values: Some of `VALUES`. Scores are shares from 0 to 1.
        per_type: The scores p, r and f by label, as far as they are known. A label without F1 is left out.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    per_type: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def from_scores(cls, scores: Scores, *, loss: float | None) -> SplitScores:
        """Take what belongs into the file from the scores of `nlp.evaluate`.

        Args:
            scores: Scores by key; those that are missing or None are left out, and so are all others.
            loss: Mean loss over the words, None if it is not known.
        """
        known = {LOSS: loss, **{key: scores.get(key) for key in VALUES if key != LOSS}}
        return cls(
            values={key: value for key, value in known.items() if value is not None},
            per_type=scores.get(ENTS_PER_TYPE) or {},
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of `VALUES` and the scores by label; null stands for what was not measured."""
        return {**{key: self.values.get(key) for key in VALUES}, ENTS_PER_TYPE: dict(self.per_type) or None}


@dataclass(frozen=True)
class Point:
    """One evaluation during training: a line of the file, with one field for each of its keys.

    Attributes:
        step: Number of updates before the evaluation.
        epoch: Passes over the training data that were complete by then.
        seconds: Time since the start of the training.
        losses: Training losses by component, as spaCy sums them up since the evaluation before.
        train: Scores on a sample of the training data, None if there is no sample.
        dev: Scores on the dev data.
        max_steps: The limit of steps in the training's config; None if it is unknown or there is none.
        patience: Steps without a better score after which the training ends; None as for `max_steps`.
    """

    step: int
    epoch: int | None = None
    seconds: float | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    train: SplitScores | None = None
    dev: SplitScores = field(default_factory=SplitScores)
    max_steps: int | None = None
    patience: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the line as a JSON object; null stands for what is not known, and for NaN and infinity."""
        record = {
            "step": self.step,
            "epoch": self.epoch,
            "seconds": self.seconds,
            "losses": dict(self.losses),
            "train": None if self.train is None else self.train.to_json(),
            "dev": self.dev.to_json(),
            "max_steps": self.max_steps,
            "patience": self.patience,
        }
        plain: dict[str, Any] = replace_non_finite(record)
        return plain


def write_point(path: Path, point: Point, *, append: bool) -> None:
    """Write one line of a file of learning curves.

    Args:
        path: The file. Missing folders are made.
        point: The evaluation.
        append: Whether to keep the lines that are there; otherwise the file starts anew.

    Raises:
        OSError: If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if append else "w", encoding="utf8") as lines:
        lines.write(srsly.json_dumps(point.to_json()) + "\n")


def read_curve(path: Path) -> list[Point]:
    """Read a file of learning curves, one evaluation a line, in the order of their steps.

    A line is `{"step": 250, "epoch": 1, "seconds": 60.5, "losses": {"llama_ner": 3.2}, "train": {...}, "dev":
    {...}, "max_steps": 1000, "patience": 400}`, where train and dev may have `VALUES` and ents_per_type (p, r, f by
    label). Only the step is required; null, NaN and infinity count as missing.

    Raises:
        OSError: If the file cannot be read.
        CurveError: If a line is wrong. The message names the first such line by its number.
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
    step, epoch = (_integer(record, key) for key in ("step", "epoch"))
    if step is None:
        raise CurveError(f"there is no step. {_ADVICE}")
    if step < after:
        raise CurveError(f"step {step} comes after step {after}. Give the file of one training, in its order.")
    train = _object(record, "train")
    return Point(
        step=step,
        epoch=epoch,
        seconds=_number(record, "seconds"),
        losses=_numbers(_object(record, "losses")),
        train=_split_scores(train) if train else None,
        dev=_split_scores(_object(record, "dev")),
        # spaCy writes 0 for no limit
        max_steps=_integer(record, "max_steps") or None,
        patience=_integer(record, "patience") or None,
    )


def _split_scores(record: Mapping[str, Any]) -> SplitScores:
    by_label = _object(record, ENTS_PER_TYPE)
    per_type = {label: _numbers(_object(by_label, label)) for label in by_label}
    return SplitScores(
        values=_numbers({key: record.get(key) for key in VALUES}),
        per_type={label: scores for label, scores in per_type.items() if "f" in scores},
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


def _integer(record: Mapping[str, Any], key: str) -> int | None:
    value = _number(record, key)
    if value is not None and (value < 0 or value != int(value)):
        raise CurveError(f"{key} is {value}, not a whole number. {_ADVICE}")
    return None if value is None else int(value)
