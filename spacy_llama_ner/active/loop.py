"""Active learning: buy labels, train, look at dev, and again, until more does not pay."""

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
from .acquisition import Score, Unit, price, select
from .config import ActiveLearningConfig, ConfigError, read_corpus
from .oracle import Oracle, check_answers
from .rounds import Round, find_rounds, has_converged
from .training import (
    Disagreement,
    evaluate_pipeline,
    filter_silver,
    first_silver,
    fit_new,
    fit_on,
    make_mixture,
    without_gold,
)

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


# seeds of one round from those of the next run's
MOST_ROUNDS = 10_000
CONVERGED = "the gain has stayed below min_gain"
SPENT = "the budget is spent"
NOTHING_LEFT = "nothing is left in the pool that the budget pays for"


class Loop:
    """One run, whose rounds are in the folder `output`; a run that was stopped goes on with what is missing.

    All that is drawn at random follows from the seed and the number of the round, and each round starts from what
    the one before has saved: so the result does not depend on how often it was stopped.
    """

    def __init__(self, plan: ActiveLearningConfig, output: Path) -> None:
        self._plan = plan
        self._output = output
        self._settings: ActiveLearning = plan.settings
        self._pool = read_corpus(self._settings.pool, plan.vocab, what="pool")
        self._silver = read_corpus(self._settings.silver, plan.vocab, what="silver")
        # what is wrong is better known before anybody is asked, or trained, than after it
        plan.check_encoder()
        plan.dev(plan.blank())
        self._gold: list[Doc] = []
        self.history: list[dict[str, Any]] = []
        self.reason = ""

    @property
    def gold(self) -> list[Doc]:
        """All that was bought."""
        return self._gold

    def rounds(self) -> Iterator[Round]:
        """Go from round to round, those included that are over already, until there is a `reason` to stop.

        Raises: ValueError or OSError where data do not fit, or the oracle has no answer (yet).
        """
        before = None
        for each in find_rounds(self._output):
            if each.result is None and not self._buy(each, before):
                return
            self._gold += each.answers(self._plan.vocab) or []
            if each.result is None:
                self._train(each, before)
                self._judge(each)
            self.history.append(each.result or {})
            yield each
            before = each
            if self._is_over(each.number):
                return

    def _is_over(self, after: int) -> bool:
        settings = self._settings
        if self._allowance(after) >= settings.total:
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

    def _buy(self, this: Round, before: Round | None) -> bool:
        """Have the labels of this round on the disk; False if there is nothing to buy."""
        if before is None and not self._settings.initial:
            return True
        asked = this.asked(self._plan.vocab)
        if asked is None:
            with this.timed("choose"):
                asked, scores = self._choose(this, before)
            if not asked and before is None:
                raise ConfigError(
                    f"No doc of the pool costs {self._settings.initial} {self._settings.unit} or less, which is all "
                    "there is to start with. Raise active.initial."
                )
            if not asked:
                self.reason = NOTHING_LEFT
                return False
            this.ask(asked, scores)
        if this.answers(self._plan.vocab) is None:
            with this.timed("ask"):
                answers = self._settings.oracle.ask(asked)
                check_answers(asked, answers)
                this.answer(answers)
        return True

    def _choose(self, this: Round, before: Round | None) -> tuple[list[Doc], list[float]]:
        settings = self._settings
        bought = {words_of(doc) for doc in self._gold}
        docs = [doc for doc in self._pool if words_of(doc) not in bought]
        random.Random(self._seed(this)).shuffle(docs)
        if before is None:
            nlp, docs = None, [unlabelled(doc) for doc in docs]
            scores = [0.0 for _ in docs]
        else:
            nlp = spacy.load(before.pipeline)
            docs = [unlabelled(doc, nlp.vocab) for doc in _first_words(docs, settings.pool_words)]
            scores = settings.score(nlp, docs)
        spent = sum(price(doc, settings.unit) for doc in self._gold)
        places = select(
            docs,
            scores,
            budget=self._allowance(this.number) - spent,
            unit=settings.unit,
            near=settings.near,
            bought=self._gold,
        )
        chosen = [docs[at] for at in places]
        if nlp is not None and not all(doc.has_annotation("ENT_IOB") for doc in chosen):
            chosen = list(nlp.pipe(chosen))
        return chosen, [scores[at] for at in places]

    def _train(self, this: Round, before: Round | None) -> None:
        if this.has_pipeline:
            return
        settings, seed = self._settings, self._seed(this)
        silver = without_gold(self._silver, self._gold)
        with this.timed("train"):
            if before is None:
                kept = first_silver(silver, gold=self._gold, disagreement=settings.disagreement)
                corpus = make_mixture(self._gold, kept.docs, silver_weight=settings.silver_weight)
                nlp = fit_new(self._plan, corpus, docs=[*self._gold, *silver], seed=seed)
            else:
                nlp = spacy.load(before.pipeline)
                kept = filter_silver(nlp, silver, disagreement=settings.disagreement)
                corpus = make_mixture(self._gold, kept.docs, silver_weight=settings.silver_weight)
                fit_on(self._plan, nlp, corpus, docs=self._gold, seed=seed)
        this.save(nlp, kept)

    def _judge(self, this: Round) -> None:
        with this.timed("evaluate"):
            nlp = spacy.load(this.pipeline)
            scores = evaluate_pipeline(nlp, self._plan.dev(nlp))
        new = this.answers(self._plan.vocab) or []
        this.finish(
            {
                "round": this.number,
                "bought": {"sentences": len(new), "words": sum(map(len, new))},
                "gold": {"sentences": len(self._gold), "words": sum(map(len, self._gold))},
                "silver": this.silver,
                "dev": scores,
            }
        )

    def _seed(self, this: Round) -> int:
        return self._plan.seed * MOST_ROUNDS + this.number


def _first_words(docs: list[Doc], n_words: int) -> list[Doc]:
    """Docs from the front until they have `n_words` words; all of them for 0."""
    if not n_words:
        return docs
    size, chosen = 0, []
    for doc in docs:
        if size >= n_words:
            break
        chosen.append(doc)
        size += len(doc)
    return chosen
