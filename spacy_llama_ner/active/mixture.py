"""Training data of two kinds: gold labels of an expert, and silver ones of a language model."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..data.copies import in_vocab, unlabelled
from ..data.matching import words_of
from ..data.partial import is_known

Corpus = Callable[[Language], Iterator[Example]]


def without_gold(silver: Sequence[Doc], gold: Sequence[Doc]) -> list[Doc]:
    """The silver docs whose sentence has no gold labels; where the expert skipped it, it has none."""
    known = {words_of(doc) for doc in gold if any(is_known(doc))}
    return [doc for doc in silver if words_of(doc) not in known]


def make_mixture(gold: Sequence[Doc], silver: Sequence[Doc], *, silver_weight: float) -> Corpus:
    """A corpus of one pass over both, in an order that is drawn anew each time, by Python's random state.

    silver_weight: how much a silver doc counts for beside a gold one, 0 to 1: each pass has all of `gold` and of
        `silver` this share, drawn at random. The mean over the passes is that of a weighted loss, and what counts
        less takes less time.

    Raises: ValueError where a pass would be empty.
    """
    n_silver = round(silver_weight * len(silver))
    if not gold and not n_silver:
        raise ValueError(
            f"There is nothing to train on: no gold docs, and with a weight of {silver_weight} none of {len(silver)} "
            "silver ones. Give more of either."
        )

    def examples(nlp: Language) -> Iterator[Example]:
        drawn = [*gold, *random.sample(silver, n_silver)]
        random.shuffle(drawn)
        return (Example(unlabelled(doc), doc) for doc in in_vocab(drawn, nlp.vocab))

    return examples
