"""The loss of partly known docs against a count of all tag sequences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from spacy_llama_ner.head.loss import Loss, crf_loss
from spacy_llama_ner.head.partial import allowed_tags, log_partition, partial_loss
from spacy_llama_ner.head.scheme import CLOSED, MISSING, is_inside

from .helpers import BruteForce, random_crf, random_emissions

N_TAGS = 5


def agrees(sequence: tuple[int, ...], known: list[int]) -> bool:
    """Whether a tag sequence says nothing else than what is known."""
    inside = is_inside(N_TAGS)
    return all(
        tag == gold if gold >= 0 else gold == MISSING or not inside[tag]
        for tag, gold in zip(sequence, known, strict=True)
    )


def surprise(crf: torch.nn.Module, emissions: torch.Tensor, known: list[int]) -> float:
    """Minus the logarithm of the summed probability of all sequences that agree."""
    all_of_them = BruteForce(crf, emissions)
    pairs = zip(all_of_them.sequences, all_of_them.probabilities, strict=True)
    return -float(np.log(sum(p for tags, p in pairs if agrees(tags, known))))


@pytest.mark.parametrize("known", list(product([MISSING, CLOSED, 0, 1], repeat=3)))
def test_every_way_in_which_three_words_can_be_known(known: tuple[int, ...]) -> None:
    crf, emissions = random_crf(2, seed=4), random_emissions(1, 3, N_TAGS, seed=5)[0]
    loss = partial_loss(crf, [emissions], [torch.tensor(known)])
    assert loss.item() == pytest.approx(surprise(crf, emissions, list(known)), abs=1e-5)


@pytest.mark.parametrize(
    "known",
    [
        [1, 2, CLOSED, MISSING, 0, 3],
        [MISSING, 3, CLOSED, 1, 2, 2],
        [0, MISSING, MISSING, MISSING, 3, 4],
        [MISSING, 2, MISSING, 4, MISSING, MISSING],
    ],
)
def test_longer_docs(known: list[int]) -> None:
    crf, emissions = random_crf(2, seed=6), random_emissions(1, 6, N_TAGS, seed=7)[0]
    loss = partial_loss(crf, [emissions], [torch.tensor(known)])
    assert loss.item() == pytest.approx(surprise(crf, emissions, known), abs=1e-5)


def test_docs_of_any_length_are_summed() -> None:
    crf = random_crf(2, seed=8)
    docs = [random_emissions(1, n, N_TAGS, seed=n)[0] for n in (1, 4, 2)]
    known = [[CLOSED], [MISSING, 1, 2, MISSING], [0, MISSING]]
    loss = partial_loss(crf, docs, [torch.tensor(tags) for tags in known])
    alone = [surprise(crf, doc, tags) for doc, tags in zip(docs, known, strict=True)]
    assert loss.item() == pytest.approx(sum(alone), abs=1e-5)


def test_where_all_is_known_it_is_the_usual_likelihood() -> None:
    crf, doc = random_crf(2, seed=9), random_emissions(1, 5, N_TAGS, seed=10)[0]
    gold = torch.tensor([1, 2, 0, 3, 1])
    assert partial_loss(crf, [doc], [gold]).item() == pytest.approx(crf_loss(crf, [doc], [gold]).item(), rel=1e-5)


def test_where_nothing_is_known_there_is_nothing_to_learn() -> None:
    crf, doc = random_crf(2, seed=11), random_emissions(1, 5, N_TAGS, seed=12)[0].requires_grad_()
    loss = partial_loss(crf, [doc], [torch.full((5,), MISSING)])
    loss.backward()
    assert loss.item() == 0.0
    assert doc.grad is not None and doc.grad.abs().max() < 1e-6


def test_more_knowledge_is_never_more_probable() -> None:
    crf, doc = random_crf(2, seed=13), random_emissions(1, 4, N_TAGS, seed=14)[0]
    steps = [[MISSING] * 4, [1, MISSING, MISSING, MISSING], [1, CLOSED, MISSING, MISSING], [1, 0, MISSING, 0]]
    losses = [partial_loss(crf, [doc], [torch.tensor(tags)]).item() for tags in steps]
    assert losses == sorted(losses)


def test_the_word_behind_an_entity_may_start_another_but_not_go_on() -> None:
    allowed = allowed_tags(torch.tensor([1, CLOSED, MISSING]), N_TAGS).tolist()
    assert allowed[0] == [False, True, False, False, False]
    assert allowed[1] == [True, True, False, True, False]
    assert all(allowed[2])


def test_log_partition_is_the_sum_over_all_sequences() -> None:
    crf, docs = random_crf(2, seed=15), random_emissions(2, 4, N_TAGS, seed=16)
    found = log_partition(crf, docs, torch.tensor([4, 2]))
    for doc, length, value in zip(docs, (4, 2), found.tolist(), strict=True):
        gold = torch.zeros(length, dtype=torch.int64)
        # the probability of one sequence is its score, less log Z
        score = doc[:length, 0].sum() + crf.start_transitions[0] + crf.end_transitions[0]
        score = score + (length - 1) * crf.transitions[0, 0]
        assert value == pytest.approx((score + crf_loss(crf, [doc[:length]], [gold])).item(), abs=1e-4)


def test_gradients_are_finite_differences_and_finite() -> None:
    crf = random_crf(2, seed=17).double()
    tags = [torch.tensor([1, CLOSED, MISSING, 0]), torch.tensor([MISSING, 3, 4])]
    docs = [random_emissions(1, n, N_TAGS, seed=n)[0].double().requires_grad_() for n in (4, 3)]
    assert torch.autograd.gradcheck(lambda *scores: partial_loss(crf, scores, tags), docs)
    long = random_emissions(1, 600, N_TAGS, seed=1)[0].requires_grad_()
    partial_loss(crf.float(), [long], [torch.tensor([0, MISSING, 1] * 200)]).backward()
    assert long.grad is not None and long.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in crf.parameters())


def test_words_that_nobody_knows_take_part_where_they_are_summed_over_and_not_where_they_are_cut_out() -> None:
    crf, gold = random_crf(1, seed=18), [torch.tensor([1, MISSING, 0])]
    one, other = random_emissions(2, 3, 3, seed=19)
    other = torch.cat([one[:1], other[1:2], one[2:]])
    summed, split = (
        [Loss(missing=missing)(crf, [doc], gold, ["A"]).item() for doc in (one, other)]
        for missing in ("sum", "split")
    )
    assert split[0] == split[1]
    assert summed[0] != summed[1]


@pytest.mark.parametrize("missing", ["sum", "split"])
def test_docs_that_are_known_as_a_whole_give_the_same_bits_as_the_likelihood_alone(missing: str) -> None:
    crf = random_crf(2, seed=20)
    golds = [torch.tensor(tags) for tags in ([1, 2, 0, 3], [0], [3, 4, 1])]
    gradients = []
    for loss in (Loss(missing=missing), None):
        docs = [random_emissions(1, len(gold), N_TAGS, seed=len(gold))[0].requires_grad_() for gold in golds]
        crf.zero_grad()
        if loss is None:
            padded = torch.nn.utils.rnn.pad_sequence(docs, batch_first=True)
            tags = torch.nn.utils.rnn.pad_sequence(golds, batch_first=True)
            mask = torch.arange(4) < torch.tensor([4, 1, 3])[:, None]
            value = -crf(padded, tags, mask=mask, reduction="sum") / 8
        else:
            value = loss(crf, docs, golds, ["A", "B"])
        value.backward()
        gradients.append([value.detach(), *(doc.grad for doc in docs), *(p.grad for p in crf.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_another_way_with_missing_words_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"missing is 'guess'; expected one of sum, split\."):
        Loss(missing="guess")
