"""Two systems on the same docs: what each scores, by how much they differ, and how sure that is."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.training import Example

from .matching import Judged, Tally, compare

RESAMPLES = 2000
COVERAGE = 0.95
# fewer sentences than this say nothing of how far F1 varies
MIN_SENTENCES = 10

# the lower and the upper end
Interval = tuple[float, float]
# by label; None stands for all entities together
Tallies = Mapping[str | None, Tally]


@dataclass(frozen=True)
class Difference:
    """How two systems differ on the entities of one label, or on all.

    Attributes:
        label: The label; None for all entities.
        first: Entities of the first system.
        second: Entities of the second system.
        interval: 95% interval of the F1 of the first less that of the second, over the sentences (docs, where gold
            has no sentence boundaries); None if there are fewer than 10.
    """

    label: str | None
    first: Tally
    second: Tally
    interval: Interval | None

    @property
    def f(self) -> float | None:
        """F1 of the first less that of the second; None if one has none."""
        return None if self.first.f is None or self.second.f is None else self.first.f - self.second.f


def differences(first: Sequence[Example], second: Sequence[Example]) -> list[Difference]:
    """Compare two systems, on all entities together and then on those of each label.

    Args:
        first: Predictions of the first system.
        second: Predictions of the second system on the same gold docs, in the same order.
    """
    sides = [[part for example in examples for part in tally_sentences(example)] for examples in (first, second)]
    labels = sorted({label for side in sides for part in side for label in part if label is not None})
    found = []
    for label in (None, *labels):
        one, other = ([part.get(label, Tally()) for part in side] for side in sides)
        interval = difference_interval(one, other) if len(one) >= MIN_SENTENCES else None
        found.append(Difference(label, add(one), add(other), interval))
    return found


def tally_sentences(example: Example) -> list[Tallies]:
    """Count the entities of each gold sentence by label; those of the doc, if gold has no sentence boundaries.

    An entity belongs to the sentence of its first word. Predictions that cannot be judged are left out.
    """
    gold = example.reference
    starts = [sent.start for sent in gold.sents] if gold.has_annotation("SENT_START") else [0]
    sentences: list[dict[str | None, Tally]] = [defaultdict(Tally) for _ in starts]

    def tallies(ent: Judged) -> tuple[Tally, Tally]:
        of_sentence = sentences[bisect_right(starts, ent.words[0]) - 1 if ent.words else 0]
        return of_sentence[ent.label], of_sentence[None]

    comparison = compare(example)
    for ent in comparison.gold:
        for tally in tallies(ent):
            tally.gold += 1
    for ent in comparison.predicted:
        if ent.verdict != "unjudged":
            for tally in tallies(ent):
                tally.predicted += 1
                tally.right += ent.verdict == "right"
    return list(sentences)


def add(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies."""
    total = Tally()
    for each in tallies:
        total.right += each.right
        total.predicted += each.predicted
        total.gold += each.gold
    return total


def f1_interval(docs: Sequence[Tally]) -> Interval:
    """Return the 95% interval of the F1 over all docs, by the percentile bootstrap.

    Args:
        docs: The entities of each doc, or of each sentence. Without any, the interval is (0, 0).
    """
    return _interval(_resample(docs)[0])


def difference_interval(first: Sequence[Tally], second: Sequence[Tally]) -> Interval:
    """Return the 95% interval of the F1 of one system less that of another, by the percentile bootstrap.

    Args:
        first: The entities of each doc, or of each sentence, as the first system has them.
        second: The same of the second system, on the same docs in the same order.
    """
    one, other = _resample(first, second)
    return _interval(one - other)


def _resample(*systems: Sequence[Tally]) -> NDArray[np.float64]:
    """F1 of samples of docs, drawn with replacement, the same docs for all systems: [n_systems, RESAMPLES]."""
    n = len(systems[0])
    if not n:
        return np.zeros((len(systems), RESAMPLES))
    tallies = np.array([[count for doc in row for count in astuple(doc)] for row in zip(*systems, strict=True)])
    # docs with the same counts need not be told apart: memory grows with the number of distinct ones
    distinct, times = np.unique(tallies, axis=0, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(n, times / n, size=RESAMPLES) @ distinct
    right, predicted, gold = drawn.reshape(RESAMPLES, len(systems), 3).T
    f1: NDArray[np.float64] = 2 * right / np.maximum(predicted + gold, 1)
    return f1


def _interval(samples: NDArray[np.float64]) -> Interval:
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
