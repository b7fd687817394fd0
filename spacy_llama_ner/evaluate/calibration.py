"""How far the scores of entities can be taken for probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.training import Example

from .matching import project, scored_spans


@dataclass(frozen=True)
class Bin:
    """Entities whose score lies from `low` up to, but not including, `high` (the last bin includes it).

    confidence: mean of their scores; accuracy: share of them that is right. Both None where there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def expected_calibration_error(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, each weighted by its share of the entities.

    0 is best: of the entities that score 0.8, 80% are right. The worst is 1. Naeini, Cooper and Hauskrecht
    (2015), Obtaining Well Calibrated Probabilities Using Bayesian Binning; Guo et al. (2017), On Calibration of
    Modern Neural Networks.

    scores: one for each entity, from 0 to 1.
    right: for each entity whether its start, end and label are gold.
    bins: number of bins.

    Raises: ValueError where there is no score, one that is no probability, or another number of verdicts.
    """
    return error_of_bins(calibration_bins(scores, right, bins=bins))


def error_of_bins(table: Sequence[Bin]) -> float:
    """The `expected_calibration_error` of entities that are in bins already; at least one bin holds some."""
    apart = [
        row.count * abs(row.confidence - row.accuracy)
        for row in table
        if row.confidence is not None and row.accuracy is not None
    ]
    return sum(apart) / sum(row.count for row in table)


def calibration_bins(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> list[Bin]:
    """The bins behind `expected_calibration_error`, from low to high, those without entities included.

    Arguments and errors as there.
    """
    values, hits = np.asarray(scores, dtype="float64"), np.asarray(right, dtype="bool")
    if bins < 1:
        raise ValueError(f"`bins` is {bins}. Give 1 or more.")
    if not len(values) or values.shape != hits.shape:
        raise ValueError(
            f"There are {len(values)} scores and {len(hits)} verdicts. Give one of each for at least one entity."
        )
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"The scores go from {values.min()} to {values.max()}. Give probabilities, from 0 to 1.")
    places = np.minimum((values * bins).astype("int64"), bins - 1)
    table = []
    for i in range(bins):
        inside = places == i
        count = int(inside.sum())
        confidence = float(values[inside].mean()) if count else None
        accuracy = float(hits[inside].mean()) if count else None
        table.append(Bin(i / bins, (i + 1) / bins, count, confidence, accuracy))
    return table


def scored_entities(examples: Iterable[Example], *, spans_key: str) -> tuple[list[float], list[bool]]:
    """Score and verdict of each predicted entity: right where start, end and label are gold.

    Entities that touch words without gold annotation are left out.
    spans_key: span group of the predicted docs with the scores in `attrs["scores"]`; docs without it are skipped.
    """
    scores, right = [], []
    for eg in examples:
        gold = {(ent.start, ent.end, ent.label_) for ent in eg.reference.ents}
        found = scored_spans(eg, spans_key)
        for (span, score), words in zip(found, project(eg, [span for span, _ in found]), strict=True):
            if words is not None:
                scores.append(score)
                right.append((*words, span.label_) in gold)
    return scores, right
