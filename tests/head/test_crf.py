"""What is illegal in BIO stays out of reach, whatever the weights become."""

from __future__ import annotations

import torch
from torchcrf import CRF

from spacy_llama_ner.head.crf import make_crf
from spacy_llama_ner.head.decode import viterbi
from spacy_llama_ner.head.scheme import illegal_transitions, is_inside, tag_names

from .helpers import LABELS, is_legal, random_crf, random_emissions

NAMES = tag_names(LABELS)
N_TAGS = len(NAMES)


def decodes_legally(crf: CRF, *, scale: float) -> bool:
    emissions = scale * random_emissions(16, 30, N_TAGS, seed=1)
    tags = viterbi(crf, emissions, torch.full((16,), 30))
    return all(is_legal(tuple(doc), NAMES) for doc in tags.tolist())


def test_all_legal_transitions_start_equal() -> None:
    crf = make_crf(N_TAGS)
    legal = ~torch.from_numpy(illegal_transitions(N_TAGS))
    assert crf.transitions[legal].unique().tolist() == [0.0]
    assert crf.start_transitions[~torch.from_numpy(is_inside(N_TAGS))].unique().tolist() == [0.0]
    assert crf.end_transitions.unique().tolist() == [0.0]


def test_random_and_huge_emissions_decode_legally() -> None:
    for scale in (1.0, 1e3, 1e6, 1e30):
        assert decodes_legally(make_crf(N_TAGS), scale=scale), scale
        assert decodes_legally(random_crf(3, seed=2), scale=scale), scale


def test_weights_that_favour_the_illegal_decode_legally() -> None:
    crf = make_crf(N_TAGS)
    illegal = torch.from_numpy(illegal_transitions(N_TAGS))
    with torch.no_grad():
        crf.parametrizations.transitions.original[illegal] = 1e6
        crf.parametrizations.start_transitions.original[torch.from_numpy(is_inside(N_TAGS))] = 1e6
    assert decodes_legally(crf, scale=1.0)


def test_training_with_weight_decay_leaves_the_illegal_where_it_is() -> None:
    crf = random_crf(3, seed=3)
    illegal = torch.from_numpy(illegal_transitions(N_TAGS))
    before, legal_before = crf.transitions[illegal].clone(), crf.transitions[~illegal].detach().clone()
    optimizer = torch.optim.AdamW(crf.parameters(), lr=0.5, weight_decay=0.5)
    gold, mask = torch.tensor([[1, 2, 0, 3, 4, 4], [0, 1, 1, 5, 6, 0]]), torch.ones(2, 6, dtype=torch.bool)
    for _ in range(20):
        loss = -crf(random_emissions(2, 6, N_TAGS, seed=4), gold, mask=mask)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(crf.transitions[illegal], before)
    assert not torch.allclose(crf.transitions[~illegal], legal_before, atol=0.1)
    assert decodes_legally(crf, scale=1e6)


def test_the_likelihood_learns_from_finite_gradients() -> None:
    crf = random_crf(3, seed=5)
    emissions = random_emissions(2, 6, N_TAGS, seed=6).requires_grad_()
    mask = torch.tensor([[True] * 6, [True, True, False, False, False, False]])
    gold = torch.tensor([[1, 2, 0, 3, 4, 4], [0, 1, 0, 0, 0, 0]])
    loss = -crf(emissions, gold, mask=mask)
    loss.backward()
    assert loss.isfinite()
    for tensor in (emissions, *crf.parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all() and tensor.grad.any()
