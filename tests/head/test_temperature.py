"""The temperature that fits gold tags, against all tag sequences and against samples from the CRF."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchcrf import CRF

from spacy_llama_ner.head.bio import MISSING
from spacy_llama_ner.head.crf import posterior, viterbi
from spacy_llama_ner.head.temperature import MAX_TEMPERATURE, MIN_TEMPERATURE, PRIOR_STD, TOLERANCE, fit_temperature
from tests.head.samples import BruteForce, random_crf, random_emissions, scaled_crf


def sample(crf: CRF, emissions: Tensor, *, temperature: float) -> list[Tensor]:
    """Tags drawn from the CRF's distribution at `temperature`, one sequence a doc."""
    generator = torch.Generator().manual_seed(0)
    n_docs, n_words, _ = emissions.shape
    with torch.no_grad():
        chain = posterior(crf, emissions, torch.full((n_docs,), n_words), temperature=temperature)
        tags = [torch.multinomial(chain.marginals[:, 0], 1, generator=generator)[:, 0]]
        for t in range(n_words - 1):
            here = chain.total[:, t].gather(1, tags[-1][:, None])
            following = (chain.transitions[tags[-1]] + chain.ahead[:, t] - here).exp()
            tags.append(torch.multinomial(following, 1, generator=generator)[:, 0])
    return list(torch.stack(tags, dim=1))


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.5])
def test_finds_the_temperature_that_gold_was_drawn_at(truth: float) -> None:
    crf = random_crf(2, seed=0)
    emissions = random_emissions(200, 20, 5, seed=1)
    gold = sample(crf, emissions, temperature=truth)
    assert fit_temperature(crf, list(emissions), gold) == pytest.approx(truth, rel=0.05)


def test_scores_of_twice_the_size_ask_for_twice_the_temperature() -> None:
    crf = random_crf(2, seed=2)
    emissions = random_emissions(200, 20, 5, seed=3)
    gold = sample(crf, emissions, temperature=1.0)
    once = fit_temperature(crf, list(emissions), gold)
    assert fit_temperature(scaled_crf(crf, 0.5), list(2 * emissions), gold) == pytest.approx(2 * once, rel=0.02)


def test_no_temperature_near_it_makes_gold_more_probable() -> None:
    crf = random_crf(2, seed=4)
    docs = [random_emissions(1, n, 5, seed=n)[0] for n in (5, 1, 4, 3)]
    gold = [torch.tensor(tags) for tags in ([0, 1, 2, 0, 3], [1], [3, 4, 4, 0], [0, 0, 1])]

    def cost(temperature: float) -> float:
        total = math.log(temperature) ** 2 / (2 * PRIOR_STD**2)
        for emissions, tags in zip(docs, gold, strict=True):
            brute = BruteForce(scaled_crf(crf, temperature), emissions / temperature)
            total -= math.log(brute.probabilities[brute.sequences.index(tuple(tags.tolist()))])
        return total

    found = fit_temperature(crf, docs, gold)
    assert MIN_TEMPERATURE < found < MAX_TEMPERATURE
    for other in (0.5, 0.9, 0.98, 1.02, 1.1, 2.0):
        assert cost(found) < cost(found * other)


def test_a_few_words_that_are_all_right_do_not_make_it_certain() -> None:
    crf = random_crf(2, seed=5)
    emissions = random_emissions(3, 5, 5, seed=6)
    best = list(viterbi(crf, emissions, torch.tensor([5, 5, 5])))
    assert 0.4 < fit_temperature(crf, list(emissions), best) < 1


def test_nothing_known_leaves_it_at_one() -> None:
    emissions = [random_emissions(1, n, 5, seed=n)[0] for n in (3, 0, 2)]
    unknown = [torch.full((len(doc),), MISSING) for doc in emissions]
    assert fit_temperature(random_crf(2, seed=0), emissions, unknown) == pytest.approx(1, abs=TOLERANCE)


def test_words_without_a_tag_play_no_part() -> None:
    crf = random_crf(2, seed=7)
    known, unknown = random_emissions(8, 6, 5, seed=8), 100 * random_emissions(8, 6, 5, seed=9)
    gold = sample(crf, known, temperature=2.0)
    alone = fit_temperature(crf, list(known), gold)
    nothing = [torch.full((6,), MISSING)] * 8
    assert fit_temperature(crf, [*unknown, *known], [*nothing, *gold]) == alone
    longer = [torch.cat(pair) for pair in zip(known, unknown, strict=True)]
    half = [torch.cat(pair) for pair in zip(gold, nothing, strict=True)]
    assert fit_temperature(crf, longer, half) == pytest.approx(alone, rel=1e-3)


def test_the_crf_stays_what_it_is() -> None:
    crf = random_crf(2, seed=10)
    before = [parameter.clone() for parameter in crf.parameters()]
    emissions = random_emissions(4, 6, 5, seed=11)
    fit_temperature(crf, list(emissions), sample(crf, emissions, temperature=3.0))
    assert all(torch.equal(a, b) for a, b in zip(before, crf.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in crf.parameters())
