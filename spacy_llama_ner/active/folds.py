"""Sentences with both kinds of labels, cut into folds and shares."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc

from ..data.matching import by_words, match_words
from .plan import PlanError


@dataclass(frozen=True)
class Fold:
    """silver, gold: the same sentences, drawn at random, with the labels of either. held_out: others, with gold."""

    silver: list[Doc]
    gold: list[Doc]
    held_out: list[Doc]

    def mixed(self, share: float) -> tuple[list[Doc], list[Doc]]:
        """Gold docs for a share of the sentences, and silver ones for the rest.

        What a smaller share has, a greater one has as well.
        """
        n = round(share * len(self.gold))
        return self.gold[:n], self.silver[n:]


def make_folds(silver: Sequence[Doc], gold: Sequence[Doc], *, folds: int, seed: int) -> list[Fold]:
    """Each fold leaves out another part of the sentences that have both labels.

    Raises: PlanError where fewer sentences than folds have both.
    """
    pairs = [(doc, other) for doc, other in match_words(by_words(silver).values(), gold) if other is not None]
    if len(pairs) < folds:
        raise PlanError(
            f"{len(pairs):,} of {len(silver):,} silver sentences have gold labels too; {folds} folds need more. Give "
            "gold data that are cut into the same sentences and words (paths.gold)."
        )
    random.Random(seed).shuffle(pairs)
    found = []
    for number in range(folds):
        rest = [pair for at, pair in enumerate(pairs) if at % folds != number]
        random.Random(f"{seed} {number}").shuffle(rest)
        found.append(
            Fold(
                silver=[doc for doc, _ in rest],
                gold=[doc for _, doc in rest],
                held_out=[doc for _, doc in pairs[number::folds]],
            )
        )
    return found
