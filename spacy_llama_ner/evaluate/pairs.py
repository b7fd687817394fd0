"""What each error is: in the boundary, in the type, in both, or an entity with no counterpart at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .compare import Comparison

# first word, the word behind the last, label
Spot = tuple[int, int, str]
Kind = Literal["correct", "boundary", "type", "both", "missed", "spurious"]
KINDS: tuple[Kind, ...] = ("correct", "boundary", "type", "both", "missed", "spurious")


@dataclass(frozen=True)
class Pair:
    """A gold entity and the predicted one that stands for it; one of the two may not be there."""

    kind: Kind
    gold: Spot | None
    predicted: Spot | None

    @property
    def label(self) -> str:
        """The gold label, or that of a spurious entity."""
        spot = self.gold or self.predicted
        assert spot is not None
        return spot[2]


def pair_all(comparisons: Iterable[Comparison]) -> list[Pair]:
    """The pairs of all docs; predictions that cannot be judged are left out."""
    pairs = []
    for each in comparisons:
        gold, predicted = (
            [(*ent.words, ent.label) for ent in ents if ent.words] for ents in (each.gold, each.predicted)
        )
        pairs += pair_up(gold, predicted)
    return pairs


def pair_up(gold: Sequence[Spot], predicted: Sequence[Spot]) -> list[Pair]:
    """Give each gold entity of one doc at most one predicted entity that shares a word with it, and the other way.

    The best pairs are made first: same words and label (correct), same words (type), same label (boundary), any
    other (both); among equals that with more words in common, then the first in the text. The kinds are those of
    MUC (Chinchor and Sundheim 1993, MUC-5 Evaluation Metrics) with "partial" told apart by label.
    """
    at: dict[int, list[int]] = defaultdict(list)
    for g, (start, end, _) in enumerate(gold):
        for word in range(start, end):
            at[word].append(g)
    choices = []
    for p, (start, end, label) in enumerate(predicted):
        for g, shared in Counter(g for word in range(start, end) for g in at[word]).items():
            kind = _kind(gold[g], (start, end, label))
            choices.append((_RANK[kind], -shared, g, p, kind))
    pairs = []
    free_gold, free_predicted = dict.fromkeys(range(len(gold))), dict.fromkeys(range(len(predicted)))
    for _, _, g, p, kind in sorted(choices):
        if g in free_gold and p in free_predicted:
            del free_gold[g], free_predicted[p]
            pairs.append(Pair(kind, gold[g], predicted[p]))
    pairs += [Pair("missed", gold[g], None) for g in free_gold]
    pairs += [Pair("spurious", None, predicted[p]) for p in free_predicted]
    return pairs


def count_kinds(pairs: Iterable[Pair]) -> dict[str, Counter[Kind]]:
    """How often each kind occurs, by gold label (spurious ones by their own)."""
    counts: dict[str, Counter[Kind]] = defaultdict(Counter)
    for pair in pairs:
        counts[pair.label][pair.kind] += 1
    return dict(sorted(counts.items()))


def confusion(pairs: Iterable[Pair]) -> Counter[tuple[str | None, str | None]]:
    """How often each gold label got each predicted label; None stands for no counterpart (spurious, missed)."""
    return Counter((pair.gold and pair.gold[2], pair.predicted and pair.predicted[2]) for pair in pairs)


def _kind(gold: Spot, predicted: Spot) -> Kind:
    if gold[:2] == predicted[:2]:
        return "correct" if gold[2] == predicted[2] else "type"
    return "boundary" if gold[2] == predicted[2] else "both"


_RANK: dict[Kind, int] = {"correct": 0, "type": 1, "boundary": 2, "both": 3}
