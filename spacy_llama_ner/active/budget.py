"""Budget experiments: what growing shares of gold labels are worth beside silver ones.

The sentences that have both labels are cut into folds (`make_folds`). A grid of runs (`Budget.runs`) trains on a
share of gold labels and scores on the fold that is left out, each with a result file of its own (`measure_budget`).
The rows (`make_rows`) are means over the folds, with what the labels cost, and `find_saturation` says where gold is
enough.
"""

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
from ..evaluate.scorer import ENTS_F
from ..llm.pricing import ExpertPrice, PriceError, PriceList, read_prices
from .config import ActiveLearningConfig, ConfigError, read_nonempty_docs
from .training import evaluate_pipeline, make_mixture, train_from_base

# a line of the chart: silver labels where there are no gold ones, or gold ones alone
Line = Literal["mixed", "gold"]
# keeps the seeds of one experiment apart from those of an experiment with the next seed
MAX_FOLDS = 10_000
RESULTS_FOLDER = "cells"


@dataclass(frozen=True)
class BudgetRun:
    """One training of the grid.

    Attributes:
        line: "mixed" (silver labels where there are no gold ones) or "gold" (gold labels alone).
        share: Share of the sentences that have gold labels, 0 to 1.
        fold: Number of the fold that is left out.
    """

    line: Line
    share: float
    fold: int

    @property
    def name(self) -> str:
        """Name of its result file."""
        return f"{self.line}-{100 * self.share:g}-{self.fold}"


@dataclass(frozen=True)
class Budget:
    """`spacy_llama_ner.Budget.v1`: the block [budget].

    Attributes:
        silver: A .spacy file, or a folder of them, with the labels of a language model.
        gold: The same with gold labels; the sentences that are in both are used.
        shares: Shares of the sentences that get gold labels, while the others keep their silver ones. 0, silver
            labels alone, is always measured.
        gold_shares: Shares at which a pipeline is trained on the gold labels alone, too. 1, gold labels alone for all
            sentences, is always measured.
        silver_weight: How much a silver doc counts beside a gold one (see `training.make_mixture`).
        folds: How many parts the sentences are cut into; each is left out once, and scored.

    Raises:
        ValueError: If a setting is out of range.
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

    def runs(self) -> list[BudgetRun]:
        """List all trainings, fold by fold."""
        lines: list[tuple[Line, list[float]]] = [
            ("mixed", sorted({0.0, *self.shares})),
            ("gold", sorted({1.0, *self.gold_shares})),
        ]
        return [
            BudgetRun(line, share, fold) for fold in range(self.folds) for line, shares in lines for share in shares
        ]


@dataclass(frozen=True)
class Fold:
    """Data of which one part is left out.

    Attributes:
        silver: Sentences in random order, with silver labels.
        gold: The same sentences in the same order, with gold labels.
        held_out: The others, with gold labels.
    """

    silver: list[Doc]
    gold: list[Doc]
    held_out: list[Doc]

    def mixed(self, share: float) -> tuple[list[Doc], list[Doc]]:
        """Return gold docs for a share of the sentences, and silver ones for the rest.

        What a smaller share has, a greater one has as well.
        """
        n = round(share * len(self.gold))
        return self.gold[:n], self.silver[n:]


def make_folds(silver: Sequence[Doc], gold: Sequence[Doc], *, folds: int, seed: int) -> list[Fold]:
    """Cut the sentences that have both labels into folds, each of which leaves out another part.

    Raises:
        ConfigError: If fewer sentences than folds have both labels.
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
        rest = [pair for index, pair in enumerate(pairs) if index % folds != number]
        random.Random(f"{seed} {number}").shuffle(rest)
        found.append(
            Fold(
                silver=[doc for doc, _ in rest],
                gold=[doc for _, doc in rest],
                held_out=[doc for _, doc in pairs[number::folds]],
            )
        )
    return found


def read_folds(config: ActiveLearningConfig) -> list[Fold]:
    """Read the data that [budget] names, and cut them into folds.

    Raises:
        ConfigError: If a corpus cannot be used, or the two do not fit.
        ValueError: If the base cannot be used. OSError as well.
    """
    budget: Budget = config.settings
    config.check_encoder()
    silver = read_nonempty_docs(budget.silver, config.vocab, what="silver")
    gold = read_nonempty_docs(budget.gold, config.vocab, what="gold")
    return make_folds(silver, gold, folds=budget.folds, seed=config.seed)


def measure_budget(
    config: ActiveLearningConfig, folds: Sequence[Fold], output: Path
) -> Iterator[tuple[BudgetRun, dict[str, Any]]]:
    """Train and score all runs but those whose result file is there already.

    Args:
        config: Config with a block [budget].
        folds: The folds of `read_folds`.
        output: Folder of the experiment.

    Yields:
        Each run and its result: `sentences` and `words` of gold labels, and the scores of
        `training.evaluate_pipeline` on the gold sentences of the fold that is left out.

    Raises:
        ConfigError: If a share is no sentence.
        ValueError: If data do not fit. OSError as well.
    """
    budget: Budget = config.settings
    for run in budget.runs():
        path = output / RESULTS_FOLDER / f"{run.name}.json"
        if not path.is_file():
            result = {**asdict(run), **_train_and_score(config, run, folds[run.fold])}
            with atomic_write(path) as partial:
                srsly.write_json(partial, result)
        yield run, srsly.read_json(path)


def _train_and_score(config: ActiveLearningConfig, run: BudgetRun, fold: Fold) -> dict[str, Any]:
    gold, silver = fold.mixed(run.share)
    if run.line == "gold":
        silver = []
    if not gold and not silver:
        raise ConfigError(f"A share of {run.share} of {len(fold.gold)} sentences is none. Give a greater one.")
    corpus = make_mixture(gold, silver, silver_weight=config.settings.silver_weight)
    nlp = train_from_base(config, corpus, docs=[*gold, *silver], seed=config.seed * MAX_FOLDS + run.fold)
    examples = [Example(unlabelled(doc), doc) for doc in copy_to_vocab(fold.held_out, nlp.vocab)]
    return {"sentences": len(gold), "words": sum(map(len, gold)), **evaluate_pipeline(nlp, examples)}


@dataclass(frozen=True)
class Costs:
    """What labels cost.

    Attributes:
        prices: The price list; None where costs are not asked for.
        silver: What all silver labels have cost, in the list's currency.
    """

    prices: PriceList | None
    silver: float

    @property
    def currency(self) -> str:
        """Currency of the price list; empty without one."""
        return "" if self.prices is None else self.prices.currency

    def of(self, words: float, *, silver: float) -> float | None:
        """Return the cost of an expert's labels for `words`, and of a share (0 to 1) of the silver ones.

        None without prices.
        """
        expert = None if self.prices is None else self.prices.expert
        return None if expert is None else expert.cost(round(words)) + silver * self.silver


def read_costs(path: Path | None, *, silver: float) -> Costs:
    """Read what labels cost from a price list, such as assets/prices.yml.

    Args:
        path: The price list; None for no costs.
        silver: What all silver labels have cost, in the list's currency.

    Raises:
        PriceError: If the list cannot be used, or has no expert.
    """
    if path is None:
        return Costs(None, silver)
    prices = read_prices(path)
    if not isinstance(prices.expert, ExpertPrice):
        raise PriceError(f"The price list {path} has no `expert`, whose labels are what is counted here. Add one.")
    return Costs(prices, silver)


@dataclass(frozen=True)
class Mean:
    """A mean and its standard deviation, over folds or seeds.

    Attributes:
        mean: The mean.
        spread: The standard deviation.
    """

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Compute both of at least one value; a single one has the standard deviation 0."""
        return cls(mean(values), stdev(values) if len(values) > 1 else 0.0)

    def format(self, times: float = 100) -> str:
        """Write both with two decimals, in percent unless `times` says otherwise."""
        return f"{times * self.mean:.2f} ± {times * self.spread:.2f}"


@dataclass(frozen=True)
class BudgetRow:
    """The mean result of one share, over the folds.

    Attributes:
        line: "mixed" or "gold", as of `BudgetRun`.
        share: Share of the sentences with gold labels, 0 to 1.
        folds: How many folds were measured.
        sentences: Mean number of sentences with gold labels.
        words: Mean number of their words.
        f: F1 of whole entities, 0 to 1.
        accuracy: Accuracy of words, 0 to 1.
        loss: Mean loss of a word; None where a fold's training data lacked a label of its test data.
        cost: What the labels cost; None without prices.
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
        """Return the row as plain types."""
        return asdict(self)


def make_rows(results: Iterable[tuple[BudgetRun, Mapping[str, Any]]], costs: Costs) -> list[BudgetRow]:
    """Average results over the folds: a row for each share, in the order of the runs."""
    groups: dict[tuple[Line, float], list[Mapping[str, Any]]] = defaultdict(list)
    for run, result in results:
        groups[run.line, run.share].append(result)
    return [_make_row(line, share, group, costs) for (line, share), group in groups.items()]


def _make_row(line: Line, share: float, group: Sequence[Mapping[str, Any]], costs: Costs) -> BudgetRow:
    words = mean(result["words"] for result in group)
    # each training has the labels of all sentences but those of its fold
    silver = 1 - 1 / len(group) if line == "mixed" and share < 1 else 0.0
    losses = [result["loss"] for result in group]
    return BudgetRow(
        line=line,
        share=share,
        folds=len(group),
        sentences=mean(result["sentences"] for result in group),
        words=words,
        f=Mean.of([result[ENTS_F] for result in group]),
        accuracy=Mean.of([result["ents_token_acc"] for result in group]),
        loss=None if None in losses else Mean.of(losses),
        cost=costs.of(words, silver=silver),
    )


def find_saturation(rows: Sequence[BudgetRow]) -> BudgetRow | None:
    """Find the smallest amount of gold beside silver whose mean F1 is within one standard error of the best mean.

    The one-standard-error rule (Breiman et al. 1984, Classification and Regression Trees): what is above it may be
    chance.

    Returns:
        The row; None where only the greatest amount is that good, so that more gold might bring more.
    """
    mixed = sorted((row for row in rows if row.line == "mixed"), key=lambda row: row.share)
    best = max(mixed, key=lambda row: row.f.mean)
    enough = best.f.mean - best.f.spread / sqrt(best.folds)
    first = next(row for row in mixed if row.f.mean >= enough)
    return None if first is mixed[-1] else first
