"""The trainings of a budget experiment, each with a file of its own."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal

import srsly
from spacy.tokens import Doc
from spacy.training import Example

from ..data.docs import copy_to_vocab, index_by_words, pair_by_words, unlabelled
from ..data.files import atomic_write
from ..evaluate.scorer import ENTS_F, ENTS_TOKEN_ACC
from ..llm.pricing import ExpertPrice, PriceError, PriceList, read_prices
from .config import ActiveLearningConfig, ConfigError, read_corpus
from .training import evaluate_pipeline, fit_new, make_mixture


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

    Raises: ConfigError where fewer sentences than folds have both.
    """
    pairs = [(doc, other) for doc, other in pair_by_words(index_by_words(silver).values(), gold) if other is not None]
    if len(pairs) < folds:
        raise ConfigError(
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


Line = Literal["mixed", "gold"]
# seeds of one experiment from those of the next
MOST_FOLDS = 10_000


@dataclass(frozen=True)
class BudgetRun:
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

    def cells(self) -> list[BudgetRun]:
        """All trainings, fold by fold."""
        lines: list[tuple[Line, list[float]]] = [
            ("mixed", sorted({0.0, *self.shares})),
            ("gold", sorted({1.0, *self.gold_shares})),
        ]
        return [
            BudgetRun(line, share, fold) for fold in range(self.folds) for line, shares in lines for share in shares
        ]


def measure_budget(
    plan: ActiveLearningConfig, folds: Sequence[Fold], output: Path
) -> Iterator[tuple[BudgetRun, dict[str, Any]]]:
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
            with atomic_write(path) as partial:
                srsly.write_json(partial, result)
        yield cell, srsly.read_json(path)


def read_folds(plan: ActiveLearningConfig) -> list[Fold]:
    """The data that the block names, in parts. Raises: PlanError where they do not fit."""
    budget: Budget = plan.settings
    plan.check_encoder()
    silver = read_corpus(budget.silver, plan.vocab, what="silver")
    gold = read_corpus(budget.gold, plan.vocab, what="gold")
    return make_folds(silver, gold, folds=budget.folds, seed=plan.seed)


def _measure(plan: ActiveLearningConfig, budget: Budget, cell: BudgetRun, fold: Fold) -> dict[str, Any]:
    gold, silver = fold.mixed(cell.share)
    if cell.line == "gold":
        silver = []
    if not gold and not silver:
        raise ConfigError(f"A share of {cell.share} of {len(fold.gold)} sentences is none. Give a greater one.")
    corpus = make_mixture(gold, silver, silver_weight=budget.silver_weight)
    nlp = fit_new(plan, corpus, docs=[*gold, *silver], seed=plan.seed * MOST_FOLDS + cell.fold)
    examples = [Example(unlabelled(doc), doc) for doc in copy_to_vocab(fold.held_out, nlp.vocab)]
    return {"sentences": len(gold), "words": sum(map(len, gold)), **evaluate_pipeline(nlp, examples)}


@dataclass(frozen=True)
class Costs:
    """prices: None where nobody wants to know. silver: what all silver labels have cost, in the list's currency."""

    prices: PriceList | None
    silver: float

    @property
    def currency(self) -> str:
        """Of the price list; empty without one."""
        return "" if self.prices is None else self.prices.currency

    def of(self, words: float, *, silver: float) -> float | None:
        """An expert's labels of so many words, and this share (0 to 1) of the silver ones; None without prices."""
        expert = None if self.prices is None else self.prices.expert
        return None if expert is None else expert.cost(round(words)) + silver * self.silver


def read_costs(path: Path | None, *, silver: float) -> Costs:
    """By a price list such as assets/prices.yml, which has to have an expert. Raises: PriceError."""
    if path is None:
        return Costs(None, silver)
    prices = read_prices(path)
    if not isinstance(prices.expert, ExpertPrice):
        raise PriceError(f"The price list {path} has no `expert`, whose labels are what is counted here. Add one.")
    return Costs(prices, silver)


@dataclass(frozen=True)
class Mean:
    """Mean and standard deviation over the folds."""

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Of at least one value; one alone has no spread."""
        return cls(mean(values), stdev(values) if len(values) > 1 else 0.0)

    def shown(self, times: float = 100) -> str:
        """Both with two decimals, in percent unless `times` says otherwise."""
        return f"{times * self.mean:.2f} ± {times * self.spread:.2f}"


@dataclass(frozen=True)
class Row:
    """One share of one line. sentences, words: of gold labels, in the mean. f, accuracy: 0 to 1.

    loss: None where a fold's training data lacked a label of its test data. cost: None without prices.
    """

    line: Line
    share: float
    folds: int
    sentences: float
    words: float
    f: Mean
    accuracy: Mean
    loss: Mean | None
    cost: float | None

    @property
    def labels(self) -> str:
        """What was learned from, in words."""
        return "silver and gold" if self.line == "mixed" else "gold alone"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain types."""
        return asdict(self)


def make_rows(results: Iterable[tuple[BudgetRun, Mapping[str, Any]]], costs: Costs) -> list[Row]:
    """A row for each share, in the order of the cells."""
    groups: dict[tuple[Line, float], list[Mapping[str, Any]]] = defaultdict(list)
    for cell, result in results:
        groups[cell.line, cell.share].append(result)
    return [_row(line, share, group, costs) for (line, share), group in groups.items()]


def saturation(rows: Sequence[Row]) -> Row | None:
    """The smallest amount of gold beside silver whose mean F1 is within one standard error of the best mean.

    The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees): what is above it may be
    chance. None where the best is at the end, so that more gold would bring more, or nobody knows.
    """
    mixed = sorted((row for row in rows if row.line == "mixed"), key=lambda row: row.share)
    best = max(mixed, key=lambda row: row.f.mean)
    enough = best.f.mean - best.f.spread / sqrt(best.folds)
    first = next(row for row in mixed if row.f.mean >= enough)
    return None if first is mixed[-1] else first


def _row(line: Line, share: float, group: Sequence[Mapping[str, Any]], costs: Costs) -> Row:
    words = mean(result["words"] for result in group)
    # each training has the labels of all sentences but those of its fold
    silver = 1 - 1 / len(group) if line == "mixed" and share < 1 else 0.0
    losses = [result["loss"] for result in group]
    return Row(
        line=line,
        share=share,
        folds=len(group),
        sentences=mean(result["sentences"] for result in group),
        words=words,
        f=Mean.of([result[ENTS_F] for result in group]),
        accuracy=Mean.of([result[ENTS_TOKEN_ACC] for result in group]),
        loss=None if None in losses else Mean.of(losses),
        cost=costs.of(words, silver=silver),
    )
