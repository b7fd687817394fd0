"""Active learning: buy labels, train, evaluate on dev, and again, until more labels do not pay."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc
from thinc.api import Optimizer

from ..data.docs import unlabelled, words_of
from ..evaluate.scorer import ENTS_F
from .acquisition import AcquisitionScore, Unit, labelling_cost, select_docs
from .config import ActiveLearningConfig, ConfigError, read_nonempty_docs
from .oracle import Oracle, check_answers
from .rounds import Round, has_converged, iter_rounds
from .training import (
    Disagreement,
    evaluate_pipeline,
    filter_silver,
    initial_silver,
    make_mixture,
    train_from_base,
    train_further,
    without_gold,
)

# lowest values of whole numbers
MINIMA = {"steps": 1, "per_round": 1, "total": 1, "patience": 1, "initial": 0, "pool_words": 0, "min_rounds": 0}
# may change when a run is continued: they say when to stop, not what happens before
STOPPING_SETTINGS = ("total", "min_rounds", "patience", "min_gain")
# keeps the seeds of one run apart from those of a run with the next seed
MAX_ROUNDS = 10_000

# reasons to stop
CONVERGED = "the gain has stayed below min_gain"
SPENT = "the budget is spent"
NOTHING_LEFT = "nothing is left in the pool that the budget pays for"


@dataclass(frozen=True)
class ActiveLearning:
    """`spacy_llama_ner.ActiveLearning.v1`: the block [active].

    Attributes:
        pool: A .spacy file, or a folder of them, with the docs to choose from; their labels, if any, are not read.
        oracle: Who is asked for labels.
        score: Acquisition function: which docs come first.
        optimizer: Of all rounds but the first, which is trained as [training] says. They go on from the weights of
            the round before, on all data, old and new.
        steps: Of the same rounds.
        silver: Docs with the labels of a language model, which are there from the start; null for none.
        silver_weight: How much a silver doc counts beside a gold one, 0 to 1 (see `training.make_mixture`).
        disagreement: What becomes of silver labels that the pipeline disputes: "keep", "mask" or "drop" (see
            `training.filter_silver`). The first round has no pipeline to compare with: it takes all silver labels if
            this is "keep" or there are no gold ones, else none.
        unit: "words" or "sentences", in which `initial`, `per_round` and `total` are counted.
        initial: How much is drawn at random and labelled before the first round.
        per_round: How much is bought in each round after it.
        total: How much is bought altogether.
        pool_words: How many words of the pool are scored in a round, drawn anew each time; 0 for all of it.
        near: Share of their words from which on two docs are nearly the same, so that one of them is bought; null for
            docs with the same words alone (see `acquisition.select_docs`).
        min_rounds: How many rounds there are at least, while the budget lasts.
        patience: After so many rounds in a row with too little gain it is over.
        min_gain: What is not too little: how far the F1 on dev (0 to 1) has to be above the best before.

    Raises:
        ValueError: If a setting is out of range, or there is nothing to start from.
    """

    pool: str
    oracle: Oracle
    score: AcquisitionScore
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
        wrong = {name: getattr(self, name) for name, minimum in MINIMA.items() if getattr(self, name) < minimum}
        if not 0 <= self.silver_weight <= 1:
            wrong["silver_weight"] = self.silver_weight
        if self.near is not None and not 0 < self.near <= 1:
            wrong["near"] = self.near
        if wrong:
            raise ValueError(
                f"[active] has {wrong}. Expected are whole numbers of at least {MINIMA}, a silver_weight from 0 to "
                "1, and for near null or a share above 0."
            )
        if self.silver is None and not self.initial:
            raise ValueError(
                "[active] has neither silver data nor an initial budget, so that there is nothing to start from. "
                f"Name a corpus (paths.silver), or have some {self.unit}, drawn at random, labelled first "
                "(active.initial)."
            )


class Loop:
    """One run of active learning, whose rounds are in a folder; a run that was stopped goes on with what is missing.

    All that is drawn at random follows from the seed and the number of the round, and each round starts from what
    the one before has saved: so the result does not depend on how often it was stopped.

    Args:
        config: Config with a block [active].
        output: Folder of the run.

    Attributes:
        gold: All labels that were bought so far.
        history: A line for each round that is over.
        reason: Why it has stopped; empty until then.

    Raises:
        ValueError: If the config, a corpus or the base cannot be used: before anybody is asked. OSError as well.
    """

    def __init__(self, config: ActiveLearningConfig, output: Path) -> None:
        self._config = config
        self._output = output
        self._settings: ActiveLearning = config.settings
        self._pool = read_nonempty_docs(self._settings.pool, config.vocab, what="pool")
        self._silver = read_nonempty_docs(self._settings.silver, config.vocab, what="silver")
        config.check_encoder()
        config.read_dev(config.make_pipeline())
        self.gold: list[Doc] = []
        self.history: list[dict[str, Any]] = []
        self.reason = ""

    def rounds(self) -> Iterator[Round]:
        """Go from round to round, those included that are over already, until there is a `reason` to stop.

        Yields:
            Each round once it is over.

        Raises:
            ValueError: If data do not fit, or the oracle has no answer (yet). OSError as well.
        """
        before = None
        for current in iter_rounds(self._output):
            if current.result is None and not self._buy(current, before):
                return
            self.gold += current.read_answers(self._config.vocab) or []
            if current.result is None:
                self._train(current, before)
                self._evaluate(current)
            self.history.append(current.result or {})
            yield current
            before = current
            if self._is_over(current.number):
                return

    def _is_over(self, number: int) -> bool:
        """Tell whether the round is the last one, and note the reason."""
        settings = self._settings
        if self._allowance(number) >= settings.total:
            self.reason = SPENT
        elif has_converged(
            [line["dev"][ENTS_F] for line in self.history],
            min_rounds=settings.min_rounds,
            patience=settings.patience,
            min_gain=settings.min_gain,
        ):
            self.reason = CONVERGED
        return bool(self.reason)

    def _allowance(self, number: int) -> int:
        """What may be spent up to the end of a round; what a round leaves goes to the next."""
        settings = self._settings
        return min(settings.initial + number * settings.per_round, settings.total)

    def _buy(self, current: Round, before: Round | None) -> bool:
        """Have the labels of this round on disk; False if there is nothing to buy."""
        if before is None and not self._settings.initial:
            return True
        docs = current.read_questions(self._config.vocab)
        if docs is None:
            with current.timed("choose"):
                docs, scores = self._choose(current, before)
            if not docs and before is None:
                raise ConfigError(
                    f"No doc of the pool costs {self._settings.initial} {self._settings.unit} or less, which is all "
                    "there is to start with. Raise active.initial."
                )
            if not docs:
                self.reason = NOTHING_LEFT
                return False
            current.save_questions(docs, scores)
        if current.read_answers(self._config.vocab) is None:
            with current.timed("ask"):
                answers = self._settings.oracle.ask(docs)
                check_answers(docs, answers)
                current.save_answers(answers)
        return True

    def _choose(self, current: Round, before: Round | None) -> tuple[list[Doc], list[float]]:
        """Choose docs of the pool, with suggestions by the pipeline of the round before, and return their scores."""
        settings = self._settings
        bought = {words_of(doc) for doc in self.gold}
        docs = [doc for doc in self._pool if words_of(doc) not in bought]
        random.Random(self._seed(current)).shuffle(docs)
        if before is None:
            nlp, docs = None, [unlabelled(doc) for doc in docs]
            scores = [0.0 for _ in docs]
        else:
            nlp = spacy.load(before.pipeline)
            docs = [unlabelled(doc, nlp.vocab) for doc in _first_words(docs, settings.pool_words)]
            scores = settings.score(nlp, docs)
        spent = sum(labelling_cost(doc, settings.unit) for doc in self.gold)
        indices = select_docs(
            docs,
            scores,
            budget=self._allowance(current.number) - spent,
            unit=settings.unit,
            near=settings.near,
            bought=self.gold,
        )
        chosen = [docs[index] for index in indices]
        if nlp is not None and not all(doc.has_annotation("ENT_IOB") for doc in chosen):
            chosen = list(nlp.pipe(chosen))
        return chosen, [scores[index] for index in indices]

    def _train(self, current: Round, before: Round | None) -> None:
        if current.has_pipeline:
            return
        settings, seed = self._settings, self._seed(current)
        silver = without_gold(self._silver, self.gold)
        with current.timed("train"):
            if before is None:
                kept = initial_silver(silver, gold=self.gold, disagreement=settings.disagreement)
                corpus = make_mixture(self.gold, kept.docs, silver_weight=settings.silver_weight)
                nlp = train_from_base(self._config, corpus, docs=[*self.gold, *silver], seed=seed)
            else:
                nlp = spacy.load(before.pipeline)
                kept = filter_silver(nlp, silver, disagreement=settings.disagreement)
                corpus = make_mixture(self.gold, kept.docs, silver_weight=settings.silver_weight)
                train_further(self._config, nlp, corpus, docs=self.gold, seed=seed)
        current.save_pipeline(nlp, kept)

    def _evaluate(self, current: Round) -> None:
        with current.timed("evaluate"):
            nlp = spacy.load(current.pipeline)
            scores = evaluate_pipeline(nlp, self._config.read_dev(nlp))
        new = current.read_answers(self._config.vocab) or []
        current.save_result(
            {
                "round": current.number,
                "bought": {"sentences": len(new), "words": sum(map(len, new))},
                "gold": {"sentences": len(self.gold), "words": sum(map(len, self.gold))},
                "silver": current.silver_counts,
                "dev": scores,
            }
        )

    def _seed(self, current: Round) -> int:
        return self._config.seed * MAX_ROUNDS + current.number


def _first_words(docs: list[Doc], n_words: int) -> list[Doc]:
    """Return docs from the front until they have `n_words` words; all of them for 0."""
    if not n_words:
        return docs
    size, chosen = 0, []
    for doc in docs:
        if size >= n_words:
            break
        chosen.append(doc)
        size += len(doc)
    return chosen
