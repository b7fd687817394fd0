"""Precision, recall and F1 by what an entity is like: its length, or whether training has shown it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from spacy.tokens import Doc, Span

from .compare import Judgement, Words

# surface text without its white space, and label
Mention = tuple[str, str]
LONGEST = 5
SEEN, UNSEEN = "seen", "unseen"


@dataclass
class Tally:
    """Entities of one group, counted."""

    right: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def p(self) -> float | None:
        """Share of the predicted entities that is right; None where there are none."""
        return self.right / self.predicted if self.predicted else None

    @property
    def r(self) -> float | None:
        """Share of the gold entities that was found; None where there are none."""
        return self.right / self.gold if self.gold else None

    @property
    def f(self) -> float | None:
        """Harmonic mean of both; None where there are no entities."""
        total = self.predicted + self.gold
        return 2 * self.right / total if total else None


def mention(span: Span) -> Mention:
    """What an entity is known by, in corpora that know the spaces of a text and in those that do not."""
    return "".join(span.text.split()), span.label_


def by_length(judged: Iterable[Judgement]) -> dict[str, Tally]:
    """Tallies by number of words: "1" to "4", and "5+"; groups without entities are left out."""

    def length(doc: Doc, words: Words, label: str) -> str:
        n = words[1] - words[0]
        return f"{LONGEST}+" if n >= LONGEST else str(n)

    return dict(sorted(tally(judged, length).items()))


def by_seen(judged: Iterable[Judgement], mentions: Collection[Mention]) -> dict[str, Tally]:
    """Tallies of entities that are "seen" (by text and label, among `mentions`) and "unseen".

    mentions: `mention` of each entity of the training data, a set for speed.
    """

    def seen(doc: Doc, words: Words, label: str) -> str:
        return SEEN if mention(Span(doc, *words, label=label)) in mentions else UNSEEN

    found = tally(judged, seen)
    return {group: found[group] for group in (SEEN, UNSEEN) if group in found}


def tally(judged: Iterable[Judgement], group: Callable[[Doc, Words, str], str]) -> dict[str, Tally]:
    """Entities counted by their group, which a function of document, words and label gives.

    A right prediction and its gold entity share all three, hence the group; so P, R and F1 exist.
    """
    tallies: dict[str, Tally] = {}
    for eg, comparison in judged:
        for ent in comparison.gold:
            if ent.words:
                tallies.setdefault(group(eg.reference, ent.words, ent.label), Tally()).gold += 1
        for ent in comparison.predicted:
            if ent.words:
                counts = tallies.setdefault(group(eg.reference, ent.words, ent.label), Tally())
                counts.predicted += 1
                counts.right += ent.verdict == "right"
    return tallies
