"""Measure calibration: how far the scores of entities can be taken for probabilities.

`temperature_scaling` improves what is measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from spacy.training import Example

from .matching import project, scored_spans


@dataclass(frozen=True)
class Bin:
    """Entities whose score lies from `low` up to, but not including, `high` (the last bin includes it).

    Attributes:
        low: Lower end.
        high: Upper end.
        count: Number of entities.
        confidence: Mean of their scores; None if there are none.
        accuracy: Share of them that is right; None if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def expected_calibration_error(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """Compute the mean distance of confidence and accuracy over bins, each weighted by its share of the entities.

    The bins are of equal width. Naeini, Cooper and Hauskrecht (2015), Obtaining Well Calibrated Probabilities Using
    Bayesian Binning; Guo et al. (2017), On Calibration of Modern Neural Networks.

    Args:
        scores: One for each entity, from 0 to 1.
        right: For each entity whether its start, end and label are gold.
        bins: Number of bins.

    Returns:
        From 0, the best (of the entities that score 0.8, 80% are right), to 1, the worst.

    Raises:
        ValueError: If there is no score, one is no probability, or there are more or fewer verdicts than scores.
    """
    return error_of_bins(calibration_bins(scores, right, bins=bins))


def error_of_bins(bins: Sequence[Bin]) -> float:
    """Compute the `expected_calibration_error` of entities in bins, at least one of which holds some."""
    distances = [
        each.count * abs(each.confidence - each.accuracy)
        for each in bins
        if each.confidence is not None and each.accuracy is not None
    ]
    return sum(distances) / sum(each.count for each in bins)


def calibration_bins(scores: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> list[Bin]:
    """Put entities into the bins of `expected_calibration_error`, whose arguments and errors these are.

    Returns:
        All bins from low to high, those without entities included.
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
    bin_of = np.minimum((values * bins).astype("int64"), bins - 1)
    found = []
    for i in range(bins):
        inside = bin_of == i
        count = int(inside.sum())
        confidence = float(values[inside].mean()) if count else None
        accuracy = float(hits[inside].mean()) if count else None
        found.append(Bin(i / bins, (i + 1) / bins, count, confidence, accuracy))
    return found


def scored_entities(examples: Iterable[Example], *, spans_key: str) -> tuple[list[float], list[bool]]:
    """Return the score of each predicted entity, and whether its start, end and label are gold.

    Entities that touch words without gold annotation are left out.

    Args:
        examples: Predicted docs and gold docs.
        spans_key: Span group of the predicted docs with the scores in `attrs["scores"]`. Docs without it are skipped.
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
