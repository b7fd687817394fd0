"""The trainings of a budget experiment, each with a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import srsly
from spacy.training import Example

from ..data.copies import in_vocab, unlabelled
from ..data.files import written_whole
from .fitting import fit_new
from .folds import Fold, make_folds
from .judging import judge
from .mixture import make_mixture
from .plan import Plan, PlanError, read_corpus

Line = Literal["mixed", "gold"]
# seeds of one experiment from those of the next
MOST_FOLDS = 10_000


@dataclass(frozen=True)
class Cell:
    """One training. line: "mixed" (silver where there is no gold) or "gold" alone. share: of sentences with gold."""

    line: Line
    share: float
    fold: int

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.line}-{100 * self.share:g}-{self.fold}"


@dataclass(frozen=True)
class Budget:
    """`spacy_llama_ner.Budget.v1`, the block `[budget]`.

    silver, gold: .spacy files, or folders of them; the sentences that are in both are used.
    shares: of the sentences that get gold labels, while the others keep their silver ones. 0, silver labels alone, is
        always measured.
    gold_shares: those at which a pipeline is trained on the gold labels alone, too. 1, gold labels alone for all
        sentences, is always measured.
    silver_weight: see `mixture.make_mixture`.
    folds: how many parts the sentences are cut into; each is left out once, and scored.
    """

    silver: str
    gold: str
    shares: list[float]
    gold_shares: list[float]
    silver_weight: float = 0.25
    folds: int = 5

    def __post_init__(self) -> None:
        shares = [*self.shares, *self.gold_shares]
        if self.folds < 2 or not 0 < self.silver_weight <= 1 or any(not 0 < share <= 1 for share in shares):
            raise ValueError(
                f"[budget] has folds = {self.folds}, silver_weight = {self.silver_weight} and the shares {shares}. "
                "Expected are 2 folds or more, and a weight and shares above 0, up to 1 (0.05 is a twentieth)."
            )

    def cells(self) -> list[Cell]:
        """All trainings, fold by fold."""
        lines: list[tuple[Line, list[float]]] = [
            ("mixed", sorted({0.0, *self.shares})),
            ("gold", sorted({1.0, *self.gold_shares})),
        ]
        return [Cell(line, share, fold) for fold in range(self.folds) for line, shares in lines for share in shares]


def measure_cells(plan: Plan, folds: Sequence[Fold], output: Path) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """What came out of each cell; those whose file is there are not trained again.

    folds: as of `read_folds`.

    Gives `sentences` and `words` of gold labels, and the scores of `judging.judge` on the gold sentences of the fold
    that is left out. Raises: ValueError where data do not fit, OSError.
    """
    budget: Budget = plan.settings
    for cell in budget.cells():
        path = output / "cells" / f"{cell.name}.json"
        if not path.is_file():
            result = {**asdict(cell), **_measure(plan, budget, cell, folds[cell.fold])}
            with written_whole(path) as partial:
                srsly.write_json(partial, result)
        yield cell, srsly.read_json(path)


def read_folds(plan: Plan) -> list[Fold]:
    """The data that the block names, in parts. Raises: PlanError where they do not fit."""
    budget: Budget = plan.settings
    plan.check_encoder()
    silver = read_corpus(budget.silver, plan.vocab, what="silver")
    gold = read_corpus(budget.gold, plan.vocab, what="gold")
    return make_folds(silver, gold, folds=budget.folds, seed=plan.seed)


def _measure(plan: Plan, budget: Budget, cell: Cell, fold: Fold) -> dict[str, Any]:
    gold, silver = fold.mixed(cell.share)
    if cell.line == "gold":
        silver = []
    if not gold and not silver:
        raise PlanError(f"A share of {cell.share} of {len(fold.gold)} sentences is none. Give a greater one.")
    corpus = make_mixture(gold, silver, silver_weight=budget.silver_weight)
    nlp = fit_new(plan, corpus, docs=[*gold, *silver], seed=plan.seed * MOST_FOLDS + cell.fold)
    examples = [Example(unlabelled(doc), doc) for doc in in_vocab(fold.held_out, nlp.vocab)]
    return {"sentences": len(gold), "words": sum(map(len, gold)), **judge(nlp, examples)}
