"""`[active]` in a config: how labels are bought, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass

from thinc.api import Optimizer

from .agreement import Disagreement
from .oracle import Oracle
from .selection import Unit
from .uncertainty import Score

_LEAST = {"steps": 1, "per_round": 1, "total": 1, "patience": 1, "initial": 0, "pool_words": 0, "min_rounds": 0}
# What may change when a run is taken up again: it says when to stop, not what happens before.
LIMITS = ("total", "min_rounds", "patience", "min_gain")


@dataclass(frozen=True)
class ActiveLearning:
    """`spacy_llama_ner.ActiveLearning.v1`, the block `[active]`.

    pool: a .spacy file, or a folder of them, with the docs to choose from; their labels, if any, are not read.
    oracle: who is asked. score: which docs first.
    optimizer, steps: of all rounds but the first, which is trained as `[training]` says. They go on from the weights
        of the round before, on all data, old and new.
    silver: docs with the labels of a language model, which are there from the start; null for none.
    silver_weight: see `mixture.make_mixture`.
    disagreement: see `agreement.filter_silver`. The first round has no pipeline to compare with: it takes all silver
        labels if this is "keep" or there are no gold ones, else none.
    unit: "words" or "sentences", in which the next three are counted.
    initial: how much is drawn at random and labelled before the first round.
    per_round, total: how much is bought in each round after it, and altogether.
    pool_words: how many words of the pool are scored in a round, drawn anew each time; 0 for all of it.
    near: see `selection.select`.
    min_rounds, patience, min_gain: after `min_rounds` rounds it is over once `patience` rounds in a row have not
        brought the F1 on dev (0 to 1) up by `min_gain` over the best before them.
    """

    pool: str
    oracle: Oracle
    score: Score
    optimizer: Optimizer
    steps: int
    silver: str | None = None
    silver_weight: float = 0.25
    disagreement: Disagreement = "mask"
    unit: Unit = "words"
    initial: int = 0
    per_round: int = 4000
    total: int = 40_000
    pool_words: int = 40_000
    near: float | None = 0.8
    min_rounds: int = 5
    patience: int = 3
    min_gain: float = 0.001

    def __post_init__(self) -> None:
        wrong = {name: getattr(self, name) for name, low in _LEAST.items() if getattr(self, name) < low}
        if not 0 <= self.silver_weight <= 1:
            wrong["silver_weight"] = self.silver_weight
        if self.near is not None and not 0 < self.near <= 1:
            wrong["near"] = self.near
        if wrong:
            raise ValueError(
                f"[active] has {wrong}. Expected are whole numbers of at least {_LEAST}, a silver_weight from 0 to "
                "1, and for near null or a share above 0."
            )
        if self.silver is None and not self.initial:
            raise ValueError(
                "[active] has neither silver data nor an initial budget, so that there is nothing to start from. "
                f"Name a corpus (paths.silver), or have some {self.unit}, drawn at random, labelled first "
                "(active.initial)."
            )
