"""Each term of the loss against a sum done by hand, and partly known docs against all sequences that agree."""

from __future__ import annotations

from itertools import product
from math import exp, log

import numpy as np
import pytest
import torch
from torch import Tensor

from spacy_llama_ner.head import TaggingLoss
from spacy_llama_ner.head.bio import MISSING, NOT_INSIDE, is_inside
from spacy_llama_ner.head.crf import make_crf
from spacy_llama_ner.head.loss import (
    allowed_tags,
    crf_loss,
    known_ranges,
    log_partition,
    partial_loss,
)
from tests.head.samples import BruteForce, random_crf, random_emissions

# emissions of three words for O, B-NAME, I-NAME
WORDS = [[1.0, 2.0, -1.0], [0.5, 0.0, 1.5], [-2.0, 3.0, 0.0]]
GOLD = [1, 2, 0]
N_TAGS = 5


def compute(loss: TaggingLoss, words: list[list[float]] = WORDS, gold: list[int] = GOLD) -> float:
    """The loss of one doc under a CRF whose legal transitions all score 0."""
    return loss(make_crf(3), [torch.tensor(words)], [torch.tensor(gold)], ["NAME"]).item()


def log_softmax(word: list[float]) -> list[float]:
    total = log(sum(exp(score) for score in word))
    return [score - total for score in word]


def likelihood(words: list[list[float]], gold: list[int]) -> float:
    """Log-likelihood of `gold` among all legal sequences, word by word."""
    # weights of all sequences that end in O, B, I; none starts with I
    o, b, i = exp(words[0][0]), exp(words[0][1]), 0.0
    for word in words[1:]:
        o, b, i = (o + b + i) * exp(word[0]), (o + b + i) * exp(word[1]), (b + i) * exp(word[2])
    return sum(word[tag] for word, tag in zip(words, gold, strict=True)) - log(o + b + i)


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


def test_crf_term() -> None:
    assert compute(TaggingLoss()) == pytest.approx(-likelihood(WORDS, GOLD) / 3)


def test_cross_entropy_term() -> None:
    expected = -sum(log_softmax(word)[tag] for word, tag in zip(WORDS, GOLD, strict=True)) / 3
    assert compute(TaggingLoss(crf=0.0, cross_entropy=1.0)) == pytest.approx(expected)


def test_label_smoothing_term() -> None:
    smoothing = -sum(sum(log_softmax(word)) / 3 for word in WORDS) / 3
    without = compute(TaggingLoss(crf=0.0, cross_entropy=1.0))
    assert compute(TaggingLoss(crf=0.0, cross_entropy=1.0, label_smoothing=0.1)) - without == pytest.approx(
        0.1 * smoothing
    )


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    crf, entropy = compute(TaggingLoss()), compute(TaggingLoss(crf=0.0, cross_entropy=1.0))
    smoothing = compute(TaggingLoss(crf=1.0, label_smoothing=1.0)) - crf
    mixed = compute(TaggingLoss(crf=0.5, cross_entropy=2.0, label_smoothing=0.3))
    assert mixed == pytest.approx(0.5 * crf + 2.0 * entropy + 0.3 * smoothing, rel=1e-5)


def test_label_weights_multiply_the_terms_of_their_words() -> None:
    surprise = [-log_softmax(word)[tag] for word, tag in zip(WORDS, GOLD, strict=True)]
    loss = TaggingLoss(crf=0.0, cross_entropy=1.0, label_weights={"NAME": 3.0, "O": 0.25})
    assert compute(loss) == pytest.approx((3 * surprise[0] + 3 * surprise[1] + 0.25 * surprise[2]) / 3)


def test_label_weights_leave_the_crf_term_alone() -> None:
    smooth = {"label_smoothing": 1e-12}
    assert compute(TaggingLoss(label_weights={"NAME": 3.0}, **smooth)) == pytest.approx(
        compute(TaggingLoss(**smooth))
    )


def test_label_weights_without_a_term_to_multiply_are_refused() -> None:
    with pytest.raises(ValueError, match="change nothing here"):
        TaggingLoss(label_weights={"NAME": 3.0})


def test_labels_without_a_weight_count_one() -> None:
    assert TaggingLoss(cross_entropy=1.0, label_weights={"DATE": 2.0}).tag_weights(["NAME", "DATE"]) == [
        1,
        1,
        1,
        2,
        2,
    ]
    assert TaggingLoss(cross_entropy=1.0, label_weights={"O": 0.5}).tag_weights(["NAME"]) == [0.5, 1, 1]


def test_a_weight_for_an_unknown_label_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\['PLACE'\], which are not labels .* \['NAME'\]"):
        compute(TaggingLoss(cross_entropy=1.0, label_weights={"PLACE": 2.0}))


def test_missing_tags_can_cut_a_doc_in_two() -> None:
    words = [*WORDS[:1], [7.0, -3.0, 2.0], *WORDS[1:]]
    gold = [1, MISSING, 0, 1]
    expected = -(likelihood(words[:1], gold[:1]) + likelihood(words[2:], gold[2:])) / 3
    assert compute(TaggingLoss(missing="split"), words, gold) == pytest.approx(expected)


def test_where_they_do_what_a_missing_word_scores_plays_no_part() -> None:
    loss = TaggingLoss(cross_entropy=1.0, label_smoothing=0.1, missing="split")
    gold = [1, MISSING, 0]
    assert compute(loss, WORDS, gold) == compute(loss, [WORDS[0], [9.0, 9.0, -9.0], WORDS[2]], gold)


@pytest.mark.parametrize(
    ("tags", "ranges"),
    [
        ([], []),
        ([MISSING], []),
        ([0], [(0, 1)]),
        ([MISSING, 1, 2, MISSING, MISSING, 0], [(1, 3), (5, 6)]),
        ([0, 0, MISSING], [(0, 2)]),
    ],
)
def test_known_ranges(tags: list[int], ranges: list[tuple[int, int]]) -> None:
    assert known_ranges(torch.tensor(tags, dtype=torch.int64)) == ranges


def test_docs_of_any_length_are_summed_and_divided_by_their_known_words() -> None:
    crf, loss = random_crf(2, seed=1), TaggingLoss(cross_entropy=0.5)
    docs = [random_emissions(1, n, 5, seed=n)[0] for n in (3, 0, 1, 5)]
    golds = [torch.tensor(tags, dtype=torch.int64) for tags in ([1, 2, 0], [], [3], [0, MISSING, 1, 2, 3])]
    known = [3, 0, 1, 4]
    together = loss(crf, docs, golds, ["A", "B"]).item()
    alone = [loss(crf, [doc], [gold], ["A", "B"]).item() for doc, gold in zip(docs, golds, strict=True)]
    assert together == pytest.approx(sum(n * value for n, value in zip(known, alone, strict=True)) / 8, rel=1e-5)


@pytest.mark.parametrize("gold", [[[MISSING, MISSING]], [[], [MISSING]], [[]]])
def test_no_known_tag_gives_zero_loss_and_zero_gradients(gold: list[list[int]]) -> None:
    docs = [random_emissions(1, len(tags), 3, seed=2)[0].requires_grad_() for tags in gold]
    loss = TaggingLoss(cross_entropy=1.0, label_smoothing=0.1)
    value = loss(make_crf(3), docs, [torch.tensor(tags, dtype=torch.int64) for tags in gold], ["NAME"])
    value.backward()
    assert value.item() == 0.0
    assert all(doc.grad is not None and not doc.grad.any() for doc in docs)


@pytest.mark.parametrize(
    "loss",
    [
        TaggingLoss(),
        TaggingLoss(crf=0.0, cross_entropy=1.0),
        TaggingLoss(crf=0.7, cross_entropy=0.4, label_smoothing=0.1, label_weights={"A": 2.0, "O": 0.5}),
    ],
)
def test_gradients_are_finite_differences(loss: TaggingLoss) -> None:
    crf = random_crf(2, seed=3).double()
    golds = [torch.tensor([1, 2, 0, MISSING, 3]), torch.tensor([0, 3, 4])]

    def compute_loss(first: Tensor, second: Tensor) -> Tensor:
        return loss(crf, [first, second], golds, ["A", "B"])

    docs = [random_emissions(1, n, 5, seed=n)[0].double().requires_grad_() for n in (5, 3)]
    assert torch.autograd.gradcheck(compute_loss, docs)


@pytest.mark.parametrize(
    "settings",
    [
        {"crf": 0.0},
        {"crf": 0.0, "label_smoothing": 0.5},
        {"crf": -1.0, "cross_entropy": 2.0},
        {"label_smoothing": -0.1},
        {"label_weights": {"NAME": -1.0}},
    ],
)
def test_weights_that_teach_nothing_are_an_error(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"teaches nothing\. Expected weights of 0 or more"):
        TaggingLoss(**settings)


@pytest.mark.parametrize("known", list(product([MISSING, NOT_INSIDE, 0, 1], repeat=3)))
def test_every_way_in_which_three_words_can_be_known(known: tuple[int, ...]) -> None:
    crf, emissions = random_crf(2, seed=4), random_emissions(1, 3, N_TAGS, seed=5)[0]
    loss = partial_loss(crf, [emissions], [torch.tensor(known)])
    assert loss.item() == pytest.approx(surprise(crf, emissions, list(known)), abs=1e-5)


@pytest.mark.parametrize(
    "known",
    [
        [1, 2, NOT_INSIDE, MISSING, 0, 3],
        [MISSING, 3, NOT_INSIDE, 1, 2, 2],
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
    known = [[NOT_INSIDE], [MISSING, 1, 2, MISSING], [0, MISSING]]
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
    steps = [[MISSING] * 4, [1, MISSING, MISSING, MISSING], [1, NOT_INSIDE, MISSING, MISSING], [1, 0, MISSING, 0]]
    losses = [partial_loss(crf, [doc], [torch.tensor(tags)]).item() for tags in steps]
    assert losses == sorted(losses)


def test_the_word_behind_an_entity_may_start_another_but_not_go_on() -> None:
    allowed = allowed_tags(torch.tensor([1, NOT_INSIDE, MISSING]), N_TAGS).tolist()
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
    tags = [torch.tensor([1, NOT_INSIDE, MISSING, 0]), torch.tensor([MISSING, 3, 4])]
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
        [TaggingLoss(missing=missing)(crf, [doc], gold, ["A"]).item() for doc in (one, other)]
        for missing in ("sum", "split")
    )
    assert split[0] == split[1]
    assert summed[0] != summed[1]


@pytest.mark.parametrize("missing", ["sum", "split"])
def test_docs_that_are_known_as_a_whole_give_the_same_bits_as_the_likelihood_alone(missing: str) -> None:
    crf = random_crf(2, seed=20)
    golds = [torch.tensor(tags) for tags in ([1, 2, 0, 3], [0], [3, 4, 1])]
    gradients = []
    for loss in (TaggingLoss(missing=missing), None):
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
        TaggingLoss(missing="guess")
