"""How much a person's labels of a doc would teach: registered functions that give a number for each doc.

Higher means: ask about this one first. Those that ask a model send the docs through `nlp.pipe` once, which sets their
entities on the way.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from spacy.language import Language
from spacy.tokens import Doc
from thinc.types import Floats2d

from ..data.docs import words_of
from ..llm.validation import NearDuplicates
from ..pipeline import LlamaNER
from ..pipeline.llama_ner import only_component
from ..training.curve_logger import capture_emissions

if TYPE_CHECKING:
    from ..head.uncertainty import Measure

Score = Callable[[Language, Sequence[Doc]], list[float]]
# of a batch, from its word vectors and emissions
OfBatch = Callable[[LlamaNER, list[Floats2d], list[Floats2d]], list[float]]


def make_token_entropy() -> Score:
    """`spacy_llama_ner.token_entropy.v1`: mean entropy of the words' tag marginals, in nats.

    Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks (token entropy).
    """
    return partial(_measured, by="token_entropy")


def make_mnlp() -> Score:
    """`spacy_llama_ner.mnlp.v1`: negative log-probability of the best tag sequence, by the word, in nats.

    Maximum normalized log-probability: Shen et al. 2017, Deep Active Learning for Named Entity Recognition
    (https://arxiv.org/abs/1707.05928). Without the division by words, long docs come first whatever they say.
    """
    return partial(_measured, by="mnlp")


def make_least_entity() -> Score:
    """`spacy_llama_ner.least_entity.v1`: 1 less the probability of the least certain entity that was found.

    For a doc in which none was found, the probability that there is one. The probability of an entity is that of all
    tag sequences that have it: Culotta and McCallum 2004, Confidence Estimation for Information Extraction.
    """
    return partial(_measured, by="least_entity")


def make_margin() -> Score:
    """`spacy_llama_ner.margin.v1`: 1 less the probability that the best tag sequence has over the second best.

    Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction; for CRFs Settles and
    Craven 2008.
    """
    return partial(_measured, by="margin")


def make_bald(passes: int = 10, dropout: float = 0.1, seed: int = 0) -> Score:
    """`spacy_llama_ner.bald.v1`: what passes with dropout in the head disagree about, a mean over the words, in nats.

    Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference Learning
    (https://arxiv.org/abs/1112.5745), with dropout as in Gal, Islam and Ghahramani 2017
    (https://arxiv.org/abs/1703.02910). With taggers, dropout in the last layers alone does as well as everywhere
    (Shelmanov et al. 2021, https://arxiv.org/abs/2101.08133); the base is read once.

    passes: how often the head reads the word vectors. dropout: share of their numbers left out each time.
    seed: the same docs get the same scores for it.
    """
    if passes < 2 or not 0 < dropout < 1:
        raise ValueError(
            f"spacy_llama_ner.bald.v1 got passes = {passes} and dropout = {dropout}; expected 2 passes or more, "
            "which can disagree, and a dropout between 0 and 1."
        )

    def score(nlp: Language, docs: Sequence[Doc]) -> list[float]:
        import torch

        from ..head.uncertainty import measure_disagreement

        def of_batch(ner: LlamaNER, words: list[Floats2d], emissions: list[Floats2d]) -> list[float]:
            return measure_disagreement(ner.model, words, passes=passes, dropout=dropout)

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _heard(nlp, docs, of_batch)

    return score


def make_random(seed: int = 0) -> Score:
    """`spacy_llama_ner.random.v1`: a number between 0 and 1 that depends on the words of a doc and on `seed`.

    The baseline of all: what is bought is a random sample of the pool.
    """
    return lambda nlp, docs: [random.Random(f"{seed} {doc.text}").random() for doc in docs]


def make_sampled(score: Score, power: float = 1.0, seed: int = 0) -> Score:
    """`spacy_llama_ner.sampled.v1`: a sample of the pool in which a doc's odds are its score to the `power`.

    The docs with the highest scores have much in common; those of a sample are spread out, which is worth more where
    many are bought at once. Power acquisition: Kirsch et al. 2023, Stochastic Batch Acquisition
    (https://arxiv.org/abs/2106.12059).

    score: how much a doc would teach, at least 0, by another of these functions.
    power: 0 samples blindly; the greater, the closer to the highest scores.
    seed: what is drawn follows from it and from the docs.
    """
    if power < 0:
        raise ValueError(f"spacy_llama_ner.sampled.v1 got power = {power}; expected 0 or more.")

    def sampled(nlp: Language, docs: Sequence[Doc]) -> list[float]:
        scores = score(nlp, docs)
        # with the number of docs, so that another round has other luck
        luck = [random.Random(f"{seed} {len(docs)} {doc.text}").random() for doc in docs]
        # the highest of log odds and Gumbel noise are a sample without replacement
        return [power * _log(each) - _log(-_log(drawn)) for each, drawn in zip(scores, luck, strict=True)]

    return sampled


def _log(value: float) -> float:
    return math.log(max(value, sys.float_info.min))


def make_longest() -> Score:
    """`spacy_llama_ner.longest.v1`: the number of words. A baseline, since sums over words favour long docs."""
    return lambda nlp, docs: [float(len(doc)) for doc in docs]


def _measured(nlp: Language, docs: Sequence[Doc], *, by: str) -> list[float]:
    from ..head import uncertainty

    measure: Measure = getattr(uncertainty, by)

    def of_batch(ner: LlamaNER, words: list[Floats2d], emissions: list[Floats2d]) -> list[float]:
        return uncertainty.measure_uncertainty(ner.model, emissions, measure)

    return _heard(nlp, docs, of_batch)


def _heard(nlp: Language, docs: Sequence[Doc], of_batch: OfBatch) -> list[float]:
    ner = only_component(nlp, wanted_by="A score of uncertainty")
    found: list[float] = []

    def hear(words: list[Floats2d], emissions: list[Floats2d]) -> None:
        scores = zip(of_batch(ner, words, emissions), emissions, strict=True)
        found.extend(score for score, doc in scores if len(doc))

    with capture_emissions(ner, hear):
        for _ in nlp.pipe(docs):
            pass
    scores = iter(found)
    return [next(scores) if len(doc) else 0.0 for doc in docs]


Unit = Literal["words", "sentences"]


def price(doc: Doc, unit: Unit) -> int:
    """What labels for a doc take from the budget: experts are paid by the word, or by the sentence (doc)."""
    return len(doc) if unit == "words" else 1


def select(
    docs: Sequence[Doc],
    scores: Sequence[float],
    *,
    budget: int,
    unit: Unit,
    near: float | None,
    bought: Iterable[Doc] = (),
) -> list[int]:
    """The places of the docs of highest score, in that order; among equals the first.

    A doc that costs more than what is left of the budget is passed over, and the next one gets its chance. So is one
    that is nearly the same as one before it or one of `bought`.

    near: share of their words from which on two docs are nearly the same (see `NearDuplicates`); null for docs with
        the same words alone.

    Without docs that fit, nothing is chosen. Docs without words never are.
    """
    taken = _Taken(near)
    for doc in bought:
        taken.add(doc)
    chosen: list[int] = []
    left = budget
    for at in sorted(range(len(docs)), key=lambda i: -scores[i]):
        cost = price(docs[at], unit)
        if left <= 0:
            break
        if len(docs[at]) and cost <= left and docs[at] not in taken:
            chosen.append(at)
            taken.add(docs[at])
            left -= cost
    return chosen


class _Taken:
    """Docs that have been chosen, and those that are as good as the same."""

    def __init__(self, near: float | None) -> None:
        self._same: set[tuple[str, ...]] = set()
        self._near = None if near is None else NearDuplicates(near)

    def add(self, doc: Doc) -> None:
        self._same.add(words_of(doc))
        if self._near is not None:
            self._near.add(doc.text)

    def __contains__(self, doc: Doc) -> bool:
        return words_of(doc) in self._same or (self._near is not None and self._near.find(doc.text) is not None)
