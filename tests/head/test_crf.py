"""The CRF: illegal sequences stay out of reach, and what it computes agrees with all sequences counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchcrf import CRF

from spacy_llama_ner.head.bio import illegal_transitions, is_inside, tag_names, tags_to_spans
from spacy_llama_ner.head.crf import WORDS_PER_GROUP, group_by_length, make_crf, pad, posterior, span_scores, viterbi
from tests.head.samples import LABELS, BruteForce, is_legal, random_crf, random_emissions, scaled_crf

NAMES = tag_names(LABELS)
N_TAGS = len(NAMES)
# n_labels, lengths of the docs in one padded batch
BATCHES = [
    (1, [7, 1, 4]),
    (2, [1, 5, 3, 2, 5]),
    (2, [1, 1]),
    (3, [4, 2, 1, 3]),
    (0, [3, 1]),
]
SEEDS = range(4)
each_batch = pytest.mark.parametrize(("n_labels", "lengths"), BATCHES)
each_seed = pytest.mark.parametrize("seed", SEEDS)


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


@each_seed
@each_batch
def test_viterbi_finds_the_best_of_all_sequences(n_labels: int, lengths: list[int], seed: int) -> None:
    crf = random_crf(n_labels, seed)
    emissions = random_emissions(len(lengths), max(lengths), 1 + 2 * n_labels, seed)
    tags = viterbi(crf, emissions, torch.tensor(lengths))
    for doc, n, found in zip(emissions, lengths, tags.tolist(), strict=True):
        assert found[:n] == BruteForce(crf, doc[:n]).best()


@each_seed
@each_batch
def test_marginals_count_all_sequences(n_labels: int, lengths: list[int], seed: int) -> None:
    crf = random_crf(n_labels, seed)
    emissions = random_emissions(len(lengths), max(lengths), 1 + 2 * n_labels, seed)
    marginals = posterior(crf, emissions, torch.tensor(lengths)).marginals.detach().numpy()
    for doc, n, found in zip(emissions, lengths, marginals, strict=True):
        np.testing.assert_allclose(found[:n], BruteForce(crf, doc[:n]).marginals(), atol=1e-6)


@each_seed
@each_batch
def test_span_scores_count_the_sequences_with_that_entity(n_labels: int, lengths: list[int], seed: int) -> None:
    crf = random_crf(n_labels, seed)
    emissions = random_emissions(len(lengths), max(lengths), 1 + 2 * n_labels, seed)
    sizes = torch.tensor(lengths)
    distribution = posterior(crf, emissions, sizes)
    brute = [BruteForce(crf, doc[:n]) for doc, n in zip(emissions, lengths, strict=True)]
    rng = np.random.default_rng(seed)
    for _ in range(20):
        # any legal sequence, not only the best one
        tags = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
        for row, doc in enumerate(brute):
            tags[row, : lengths[row]] = torch.tensor(doc.sequences[rng.integers(len(doc.sequences))])
        scores = span_scores(distribution, tags, sizes)
        for row, doc in enumerate(brute):
            for start, end, label in tags_to_spans(tags[row, : lengths[row]].numpy()):
                expected = doc.span_probability((start, end, LABELS[label]))
                assert scores[row, start].item() == pytest.approx(expected, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("temperature", [0.3, 1.7, 5.0])
@each_batch
def test_a_temperature_divides_every_score(n_labels: int, lengths: list[int], temperature: float) -> None:
    crf = random_crf(n_labels, seed=5)
    emissions = random_emissions(len(lengths), max(lengths), 1 + 2 * n_labels, seed=6)
    marginals = posterior(crf, emissions, torch.tensor(lengths), temperature=temperature).marginals.detach().numpy()
    scaled = scaled_crf(crf, temperature)
    for doc, n, found in zip(emissions / temperature, lengths, marginals, strict=True):
        np.testing.assert_allclose(found[:n], BruteForce(scaled, doc[:n]).marginals(), atol=1e-6)


@each_seed
def test_a_temperature_of_one_changes_no_bit(seed: int) -> None:
    crf = random_crf(3, seed)
    emissions, lengths = random_emissions(3, 30, 7, seed), torch.tensor([30, 1, 17])
    plain, same = posterior(crf, emissions, lengths), posterior(crf, emissions, lengths, temperature=1.0)
    assert torch.equal(plain.marginals, same.marginals) and torch.equal(plain.total, same.total)


def test_what_pads_a_doc_plays_no_part() -> None:
    crf = random_crf(2, seed=1)
    emissions = random_emissions(2, 6, 5, seed=2)
    lengths = torch.tensor([6, 3])
    noisy = emissions.clone()
    noisy[1, 3:] = 1e4 * random_emissions(1, 3, 5, seed=3)
    assert torch.equal(viterbi(crf, emissions, lengths)[1, :3], viterbi(crf, noisy, lengths)[1, :3])
    tags = torch.tensor([[0, 1, 2, 2, 0, 3], [3, 4, 4, 4, 4, 1]])
    plain, padded = (posterior(crf, doc, lengths) for doc in (emissions, noisy))
    assert torch.equal(plain.marginals[1, :3], padded.marginals[1, :3])
    assert torch.equal(span_scores(plain, tags, lengths)[1, 0], span_scores(padded, tags, lengths)[1, 0])


@each_seed
def test_viterbi_is_that_of_pytorch_crf(seed: int) -> None:
    crf = random_crf(3, seed)
    lengths = torch.tensor([40, 1, 17, 40, 2])
    emissions = random_emissions(5, 40, 7, seed)
    theirs = crf.decode(emissions, mask=torch.arange(40) < lengths[:, None])
    ours = viterbi(crf, emissions, lengths).tolist()
    assert [tags[:n] for tags, n in zip(ours, lengths.tolist(), strict=True)] == theirs


@each_seed
def test_marginals_are_the_gradient_of_pytorch_crfs_log_partition(seed: int) -> None:
    crf = random_crf(3, seed)
    lengths = torch.tensor([30, 1, 17, 2])
    emissions = random_emissions(4, 30, 7, seed).requires_grad_()
    mask = torch.arange(30) < lengths[:, None]
    # the log-likelihood of a sequence is its score, whose gradient is 1 at its tags, minus the log-partition
    gold = torch.zeros(4, 30, dtype=torch.int64)
    crf(emissions, gold, mask=mask).backward()
    at_gold = torch.nn.functional.one_hot(gold, 7)
    assert emissions.grad is not None
    expected = (at_gold - emissions.grad)[mask]
    marginals = posterior(crf, emissions.detach(), lengths).marginals
    torch.testing.assert_close(marginals[mask], expected, atol=1e-5, rtol=1e-4)


def test_three_thousand_words_keep_their_precision() -> None:
    crf = random_crf(3, seed=7)
    emissions = random_emissions(1, 3000, 7, seed=8)
    lengths = torch.tensor([3000])
    with torch.inference_mode():
        tags = viterbi(crf, emissions, lengths)
        single = posterior(crf, emissions, lengths)
        scores = span_scores(single, tags, lengths)
        crf.double()
        double = posterior(crf, emissions.double(), lengths)
        expected = span_scores(double, tags, lengths)
    starts = tags % 2 == 1
    assert starts.sum() > 500
    assert single.marginals.sum(dim=2).sub(1).abs().max() < 1e-3
    torch.testing.assert_close(single.marginals.double(), double.marginals, atol=1e-4, rtol=1e-3)
    assert ((scores >= 0) & (scores <= 1)).all()
    torch.testing.assert_close(scores[starts].double(), expected[starts].double(), atol=1e-4, rtol=1e-2)


def test_a_long_entity_has_a_score_above_zero() -> None:
    crf = make_crf(3)
    emissions = torch.zeros(1, 3000, 3)
    emissions[0, 0, 1] = emissions[0, 1:, 2] = 20.0
    lengths = torch.tensor([3000])
    tags = viterbi(crf, emissions, lengths)
    assert list(tags_to_spans(tags[0].numpy())) == [(0, 3000, 0)]
    assert span_scores(posterior(crf, emissions, lengths), tags, lengths)[0, 0].item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("scale", [1e2, 1e6, 1e30])
def test_huge_emissions_give_scores_all_the_same(scale: float, temperature: float) -> None:
    crf = random_crf(3, seed=9)
    emissions = scale * random_emissions(8, 30, 7, seed=10)
    lengths = torch.full((8,), 30)
    tags = viterbi(crf, emissions, lengths)
    distribution = posterior(crf, emissions, lengths, temperature=temperature)
    scores = span_scores(distribution, tags, lengths)[tags % 2 == 1]
    assert len(scores) > 20
    assert ((scores > 0) & (scores <= 1)).all()


def test_tags_are_numbered_as_the_scheme_names_them() -> None:
    emissions = torch.full((1, 3, 5), -10.0)
    emissions[0, [0, 1, 2], [0, 3, 4]] = 10.0
    tags = viterbi(make_crf(5), emissions, torch.tensor([3]))[0]
    assert [tag_names(["DATE", "NAME"])[tag] for tag in tags] == ["O", "B-NAME", "I-NAME"]


def test_what_is_kept_of_a_long_doc_grows_with_its_words_and_tags_alone() -> None:
    crf = random_crf(20, seed=0)
    with torch.no_grad():
        kept = posterior(crf, random_emissions(1, 500, 41, seed=0), torch.tensor([500]))
    numbers = sum(part.numel() for part in (kept.marginals, kept.transitions, kept.ahead, kept.total))
    assert numbers < 4 * 500 * 41


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 0, 1, 900, 2, 5, 4000, 0, 4000, 20000], [1] * 20000])
def test_groups_hold_each_doc_once_within_the_budget(lengths: list[int]) -> None:
    groups = list(group_by_length(lengths, n_tags=9))
    assert sorted(i for group in groups for i in group) == [i for i, n in enumerate(lengths) if n]
    for group in groups:
        sizes = [lengths[i] for i in group]
        assert sizes == sorted(sizes, reverse=True)
        assert len(group) == 1 or len(group) * sizes[0] <= WORDS_PER_GROUP
        assert sizes[-1] * 2 >= sizes[0]


def test_with_many_tags_groups_are_smaller() -> None:
    assert [len(group) for group in group_by_length([1] * 20000, n_tags=33)] == [8192, 8192, 3616]
    assert len(next(group_by_length([1] * 20000, n_tags=66))) == 2048
    # a doc is never cut
    assert list(group_by_length([9, 9], n_tags=100_000)) == [[0], [1]]


def test_padding_stands_behind_shorter_docs() -> None:
    padded, lengths = pad([torch.ones(2, 3), torch.ones(4, 3)], value=-5.0)
    assert lengths.tolist() == [2, 4]
    assert padded.shape == (2, 4, 3)
    assert (padded[0, 2:] == -5).all() and (padded[0, :2] == 1).all() and (padded[1] == 1).all()
