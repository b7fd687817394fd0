"""Acquisition functions: how much a person's labels of a doc would teach, and which docs are chosen by that.

The registered functions make an `AcquisitionScore`, which gives a number for each doc: higher means, ask about this
one first. Those that ask a model send the docs through `nlp.pipe` once, which sets their entities on the way.
`select_docs` spends a budget by these numbers.
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

AcquisitionScore = Callable[[Language, Sequence[Doc]], list[float]]
# one score a doc, from the component and the word vectors and emissions of a batch
BatchScore = Callable[[LlamaNER, list[Floats2d], list[Floats2d]], list[float]]
Unit = Literal["words", "sentences"]


def make_token_entropy() -> AcquisitionScore:
    """`spacy_llama_ner.token_entropy.v1`: mean entropy of the words' tag marginals, in nats.

    Settles and Craven 2008, An Analysis of Active Learning Strategies for Sequence Labeling Tasks (token entropy).
    """
    return partial(_score_uncertainty, by="token_entropy")


def make_mnlp() -> AcquisitionScore:
    """`spacy_llama_ner.mnlp.v1`: negative log-probability of the best tag sequence, per word, in nats.

    Maximum normalized log-probability: Shen et al. 2017, Deep Active Learning for Named Entity Recognition
    (https://arxiv.org/abs/1707.05928). Without the division by words, long docs come first whatever they say.
    """
    return partial(_score_uncertainty, by="mnlp")


def make_least_entity() -> AcquisitionScore:
    """`spacy_llama_ner.least_entity.v1`: 1 minus the probability of the least certain entity that was found.

    For a doc in which none was found, the probability that there is one. The probability of an entity is that of all
    tag sequences that have it: Culotta and McCallum 2004, Confidence Estimation for Information Extraction.
    """
    return partial(_score_uncertainty, by="least_entity")


def make_margin() -> AcquisitionScore:
    """`spacy_llama_ner.margin.v1`: 1 minus the lead in probability of the best tag sequence over the second best.

    Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction; for CRFs Settles and
    Craven 2008.
    """
    return partial(_score_uncertainty, by="margin")


def make_bald(passes: int = 10, dropout: float = 0.1, seed: int = 0) -> AcquisitionScore:
    """`spacy_llama_ner.bald.v1`: how far passes with dropout in the head disagree, a mean over the words, in nats.

    Houlsby et al. 2011, Bayesian Active Learning for Classification and Preference Learning
    (https://arxiv.org/abs/1112.5745), with dropout as in Gal, Islam and Ghahramani 2017
    (https://arxiv.org/abs/1703.02910). With taggers, dropout in the last layers alone does as well as everywhere
    (Shelmanov et al. 2021, https://arxiv.org/abs/2101.08133); the base reads each doc once.

    Args:
        passes: How often the head reads the word vectors, 2 or more.
        dropout: Share of the vectors' numbers that is left out each time, between 0 and 1.
        seed: The same docs get the same scores for it.

    Raises:
        ValueError: If `passes` or `dropout` are out of range.
    """
    if passes < 2 or not 0 < dropout < 1:
        raise ValueError(
            f"spacy_llama_ner.bald.v1 got passes = {passes} and dropout = {dropout}; expected 2 passes or more, "
            "which can disagree, and a dropout between 0 and 1."
        )

    def score(nlp: Language, docs: Sequence[Doc]) -> list[float]:
        import torch

        from ..head.uncertainty import measure_disagreement

        def score_batch(ner: LlamaNER, words: list[Floats2d], emissions: list[Floats2d]) -> list[float]:
            return measure_disagreement(ner.model, words, passes=passes, dropout=dropout)

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _score_in_batches(nlp, docs, score_batch)

    return score


def make_random(seed: int = 0) -> AcquisitionScore:
    """`spacy_llama_ner.random.v1`: a random number between 0 and 1. The baseline of all: a random sample of the pool.

    Args:
        seed: The number depends on it and on the words of a doc alone.
    """
    return lambda nlp, docs: [random.Random(f"{seed} {doc.text}").random() for doc in docs]


def make_longest() -> AcquisitionScore:
    """`spacy_llama_ner.longest.v1`: the number of words. A baseline, since sums over words favour long docs."""
    return lambda nlp, docs: [float(len(doc)) for doc in docs]


def make_sampled(score: AcquisitionScore, power: float = 1.0, seed: int = 0) -> AcquisitionScore:
    """`spacy_llama_ner.sampled.v1`: a sample of the pool in which a doc's odds are its score to the `power`.

    The docs with the highest scores have much in common; those of a sample are spread out, which is worth more where
    many are bought at once. Power acquisition: Kirsch et al. 2023, Stochastic Batch Acquisition
    (https://arxiv.org/abs/2106.12059).

    Args:
        score: How much a doc would teach, at least 0, by another of these functions.
        power: 0 samples blindly; the greater, the closer to the highest scores.
        seed: What is drawn follows from it, from the docs and from their number.

    Raises:
        ValueError: If `power` is negative.
    """
    if power < 0:
        raise ValueError(f"spacy_llama_ner.sampled.v1 got power = {power}; expected 0 or more.")

    def log(value: float) -> float:
        return math.log(max(value, sys.float_info.min))

    def sampled(nlp: Language, docs: Sequence[Doc]) -> list[float]:
        scores = score(nlp, docs)
        # the number of docs makes each round draw anew
        drawn = [random.Random(f"{seed} {len(docs)} {doc.text}").random() for doc in docs]
        # the highest sums of log odds and Gumbel noise are a sample without replacement
        return [power * log(each) - log(-log(uniform)) for each, uniform in zip(scores, drawn, strict=True)]

    return sampled


def _score_uncertainty(nlp: Language, docs: Sequence[Doc], *, by: str) -> list[float]:
    """Score docs by a measure of `head.uncertainty`."""
    from ..head import uncertainty

    measure: Measure = getattr(uncertainty, by)

    def score_batch(ner: LlamaNER, words: list[Floats2d], emissions: list[Floats2d]) -> list[float]:
        return uncertainty.measure_uncertainty(ner.model, emissions, measure)

    return _score_in_batches(nlp, docs, score_batch)


def _score_in_batches(nlp: Language, docs: Sequence[Doc], score_batch: BatchScore) -> list[float]:
    """Send docs through the pipeline, and score them by what passes its head; 0 for a doc without words."""
    ner = only_component(nlp, wanted_by="A score of uncertainty")
    found: list[float] = []

    def collect(words: list[Floats2d], emissions: list[Floats2d]) -> None:
        scores = zip(score_batch(ner, words, emissions), emissions, strict=True)
        found.extend(score for score, doc in scores if len(doc))

    with capture_emissions(ner, collect):
        for _ in nlp.pipe(docs):
            pass
    scores = iter(found)
    return [next(scores) if len(doc) else 0.0 for doc in docs]


def labelling_cost(doc: Doc, unit: Unit) -> int:
    """Say what labels for a doc take from the budget: experts are paid by the word, or by the sentence (doc)."""
    return len(doc) if unit == "words" else 1


def select_docs(
    docs: Sequence[Doc],
    scores: Sequence[float],
    *,
    budget: int,
    unit: Unit,
    near: float | None,
    bought: Iterable[Doc] = (),
) -> list[int]:
    """Choose the docs of highest score that a budget pays for; among equals the first.

    A doc that costs more than what is left of the budget is passed over, and the next one gets its chance. So is one
    that is nearly the same as one before it or one of `bought`. Docs without words are never chosen.

    Args:
        docs: What there is to choose from.
        scores: One number a doc.
        budget: How many units can be spent.
        unit: What is paid for.
        near: Share of their words from which on two docs are nearly the same (see `NearDuplicates`); None for docs
            with the same words alone.
        bought: Docs that have labels already.

    Returns:
        Indices of the chosen docs, the highest score first; empty if no doc fits.
    """
    duplicates = _Duplicates(near)
    for doc in bought:
        duplicates.add(doc)
    chosen: list[int] = []
    left = budget
    for index in sorted(range(len(docs)), key=lambda i: -scores[i]):
        cost = labelling_cost(docs[index], unit)
        if left <= 0:
            break
        if len(docs[index]) and cost <= left and docs[index] not in duplicates:
            chosen.append(index)
            duplicates.add(docs[index])
            left -= cost
    return chosen


class _Duplicates:
    """Docs that have been chosen; contains a doc if it is the same as one of them, or nearly."""

    def __init__(self, near: float | None) -> None:
        self._words: set[tuple[str, ...]] = set()
        self._near = None if near is None else NearDuplicates(near)

    def add(self, doc: Doc) -> None:
        self._words.add(words_of(doc))
        if self._near is not None:
            self._near.add(doc.text)

    def __contains__(self, doc: Doc) -> bool:
        return words_of(doc) in self._words or (self._near is not None and self._near.find(doc.text) is not None)
