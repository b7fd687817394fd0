"""Two systems on the same docs: what each scores, and by how much they differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spacy.training import Example

from .compare import compare
from .groups import Tally
from .interval import Interval, difference_interval
from .table import TOTAL


@dataclass(frozen=True)
class Difference:
    """The entities of one label, or of all.

    first, second: as each of the two systems has them.
    interval: 95% interval of the F1 of the first less that of the second.
    """

    label: str
    first: Tally
    second: Tally
    interval: Interval

    @property
    def f(self) -> float | None:
        """F1 of the first less that of the second; None where one has none."""
        return None if self.first.f is None or self.second.f is None else self.first.f - self.second.f


def differences(first: Sequence[Example], second: Sequence[Example]) -> list[Difference]:
    """All entities together, then each label by name.

    first, second: predictions on the same gold docs, in the same order.
    """
    sides = [[tally_labels(example) for example in examples] for examples in (first, second)]
    labels = sorted({label for side in sides for doc in side for label in doc} - {TOTAL})
    found = []
    for label in (TOTAL, *labels):
        one, other = ([doc.get(label, Tally()) for doc in side] for side in sides)
        found.append(Difference(label, add(one), add(other), difference_interval(one, other)))
    return found


def tally_labels(example: Example) -> Mapping[str, Tally]:
    """The entities of a doc by label, and "all"; predictions that cannot be judged are left out."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    comparison = compare(example)
    for ent in comparison.gold:
        for label in (ent.label, TOTAL):
            tallies[label].gold += 1
    for ent in comparison.predicted:
        if ent.verdict != "unjudged":
            for label in (ent.label, TOTAL):
                tallies[label].predicted += 1
                tallies[label].right += ent.verdict == "right"
    return tallies


def add(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    total = Tally()
    for each in tallies:
        total.right += each.right
        total.predicted += each.predicted
        total.gold += each.gold
    return total
