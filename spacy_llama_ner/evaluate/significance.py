"""Two systems on the same docs: what each scores, and by how much they differ."""

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
COVERED = 0.95

Interval = tuple[float, float]


def f1_interval(docs: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 over all docs (or sentences), given the entities of each; (0, 0) without."""
    return _ends(_resampled(docs)[0])


def difference_interval(first: Sequence[Tally], second: Sequence[Tally]) -> Interval:
    """Ends of the 95% interval of the F1 of one system less that of another, on the same docs in the same order."""
    one, other = _resampled(first, second)
    return _ends(one - other)


def _resampled(*systems: Sequence[Tally]) -> NDArray[np.float64]:
    """F1 of samples of docs, drawn with replacement, the same docs for all systems: [n_systems, RESAMPLES]."""
    n = len(systems[0])
    if not n:
        return np.zeros((len(systems), RESAMPLES))
    tallies = np.array([[count for doc in row for count in astuple(doc)] for row in zip(*systems, strict=True)])
    # docs that count alike need not be told apart: memory grows with how many kinds there are
    kinds, times = np.unique(tallies, axis=0, return_counts=True)
    drawn = np.random.default_rng(0).multinomial(n, times / n, size=RESAMPLES) @ kinds
    right, predicted, gold = drawn.reshape(RESAMPLES, len(systems), 3).T
    f1: NDArray[np.float64] = 2 * right / np.maximum(predicted + gold, 1)
    return f1


def _ends(samples: NDArray[np.float64]) -> Interval:
    tail = (1 - COVERED) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


# by label; None stands for all entities together
Tallies = Mapping[str | None, Tally]
# fewer sentences than this say nothing of how far F1 varies
FEWEST = 10


@dataclass(frozen=True)
class Difference:
    """The entities of one label, or of all where `label` is None.

    first, second: as each of the two systems has them.
    interval: 95% interval of the F1 of the first less that of the second, over the sentences (docs, where gold has no
        sentence boundaries); None where there are fewer than 10.
    """

    label: str | None
    first: Tally
    second: Tally
    interval: Interval | None

    @property
    def f(self) -> float | None:
        """F1 of the first less that of the second; None where one has none."""
        return None if self.first.f is None or self.second.f is None else self.first.f - self.second.f


def differences(first: Sequence[Example], second: Sequence[Example]) -> list[Difference]:
    """All entities together, then each label by name.

    first, second: predictions on the same gold docs, in the same order.
    """
    sides = [[part for example in examples for part in tally_sentences(example)] for examples in (first, second)]
    labels = sorted({label for side in sides for part in side for label in part if label is not None})
    found = []
    for label in (None, *labels):
        one, other = ([part.get(label, Tally()) for part in side] for side in sides)
        interval = difference_interval(one, other) if len(one) >= FEWEST else None
        found.append(Difference(label, add(one), add(other), interval))
    return found


def tally_sentences(example: Example) -> list[Tallies]:
    """The entities of each gold sentence by label; those of the doc, where gold has no sentence boundaries.

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
    """The sum of tallies."""
    total = Tally()
    for each in tallies:
        total.right += each.right
        total.predicted += each.predicted
        total.gold += each.gold
    return total
