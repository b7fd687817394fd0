"""Each term of the loss against a sum done by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from torch import Tensor

from spacy_llama_ner.head import TaggingLoss
from spacy_llama_ner.head.crf import make_crf
from spacy_llama_ner.head.loss import Loss, known_stretches
from spacy_llama_ner.head.scheme import MISSING

from .helpers import random_crf, random_emissions

# emissions of three words for O, B-NAME, I-NAME
WORDS = [[1.0, 2.0, -1.0], [0.5, 0.0, 1.5], [-2.0, 3.0, 0.0]]
GOLD = [1, 2, 0]


def compute(loss: Loss, words: list[list[float]] = WORDS, gold: list[int] = GOLD) -> float:
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


def test_crf_term() -> None:
    assert compute(Loss()) == pytest.approx(-likelihood(WORDS, GOLD) / 3)


def test_cross_entropy_term() -> None:
    expected = -sum(log_softmax(word)[tag] for word, tag in zip(WORDS, GOLD, strict=True)) / 3
    assert compute(Loss(crf=0.0, cross_entropy=1.0)) == pytest.approx(expected)


def test_label_smoothing_term() -> None:
    smoothing = -sum(sum(log_softmax(word)) / 3 for word in WORDS) / 3
    without = compute(Loss(crf=0.0, cross_entropy=1.0))
    assert compute(Loss(crf=0.0, cross_entropy=1.0, label_smoothing=0.1)) - without == pytest.approx(0.1 * smoothing)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    crf, entropy = compute(Loss()), compute(Loss(crf=0.0, cross_entropy=1.0))
    smoothing = compute(Loss(crf=1.0, label_smoothing=1.0)) - crf
    mixed = compute(Loss(crf=0.5, cross_entropy=2.0, label_smoothing=0.3))
    assert mixed == pytest.approx(0.5 * crf + 2.0 * entropy + 0.3 * smoothing, rel=1e-5)


def test_label_weights_multiply_the_terms_of_their_words() -> None:
    surprise = [-log_softmax(word)[tag] for word, tag in zip(WORDS, GOLD, strict=True)]
    loss = Loss(crf=0.0, cross_entropy=1.0, label_weights={"NAME": 3.0, "O": 0.25})
    assert compute(loss) == pytest.approx((3 * surprise[0] + 3 * surprise[1] + 0.25 * surprise[2]) / 3)


def test_label_weights_leave_the_crf_term_alone() -> None:
    smooth = {"label_smoothing": 1e-12}
    assert compute(Loss(label_weights={"NAME": 3.0}, **smooth)) == pytest.approx(compute(Loss(**smooth)))


def test_label_weights_without_a_term_to_multiply_are_refused() -> None:
    with pytest.raises(ValueError, match="change nothing here"):
        Loss(label_weights={"NAME": 3.0})


def test_labels_without_a_weight_count_one() -> None:
    assert Loss(cross_entropy=1.0, label_weights={"DATE": 2.0}).tag_weights(["NAME", "DATE"]) == [1, 1, 1, 2, 2]
    assert Loss(cross_entropy=1.0, label_weights={"O": 0.5}).tag_weights(["NAME"]) == [0.5, 1, 1]


def test_a_weight_for_an_unknown_label_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\['PLACE'\], which are not labels .* \['NAME'\]"):
        compute(Loss(cross_entropy=1.0, label_weights={"PLACE": 2.0}))


def test_missing_tags_can_cut_a_doc_in_two() -> None:
    words = [*WORDS[:1], [7.0, -3.0, 2.0], *WORDS[1:]]
    gold = [1, MISSING, 0, 1]
    expected = -(likelihood(words[:1], gold[:1]) + likelihood(words[2:], gold[2:])) / 3
    assert compute(Loss(missing="split"), words, gold) == pytest.approx(expected)


def test_where_they_do_what_a_missing_word_scores_plays_no_part() -> None:
    loss = Loss(cross_entropy=1.0, label_smoothing=0.1, missing="split")
    gold = [1, MISSING, 0]
    assert compute(loss, WORDS, gold) == compute(loss, [WORDS[0], [9.0, 9.0, -9.0], WORDS[2]], gold)


@pytest.mark.parametrize(
    ("tags", "stretches"),
    [
        ([], []),
        ([MISSING], []),
        ([0], [(0, 1)]),
        ([MISSING, 1, 2, MISSING, MISSING, 0], [(1, 3), (5, 6)]),
        ([0, 0, MISSING], [(0, 2)]),
    ],
)
def test_known_stretches(tags: list[int], stretches: list[tuple[int, int]]) -> None:
    assert known_stretches(torch.tensor(tags, dtype=torch.int64)) == stretches


def test_docs_of_any_length_are_summed_and_divided_by_their_known_words() -> None:
    crf, loss = random_crf(2, seed=1), Loss(cross_entropy=0.5)
    docs = [random_emissions(1, n, 5, seed=n)[0] for n in (3, 0, 1, 5)]
    golds = [torch.tensor(tags, dtype=torch.int64) for tags in ([1, 2, 0], [], [3], [0, MISSING, 1, 2, 3])]
    known = [3, 0, 1, 4]
    together = loss(crf, docs, golds, ["A", "B"]).item()
    alone = [loss(crf, [doc], [gold], ["A", "B"]).item() for doc, gold in zip(docs, golds, strict=True)]
    assert together == pytest.approx(sum(n * value for n, value in zip(known, alone, strict=True)) / 8, rel=1e-5)


@pytest.mark.parametrize("gold", [[[MISSING, MISSING]], [[], [MISSING]], [[]]])
def test_no_known_tag_gives_zero_loss_and_zero_gradients(gold: list[list[int]]) -> None:
    docs = [random_emissions(1, len(tags), 3, seed=2)[0].requires_grad_() for tags in gold]
    loss = Loss(cross_entropy=1.0, label_smoothing=0.1)
    value = loss(make_crf(3), docs, [torch.tensor(tags, dtype=torch.int64) for tags in gold], ["NAME"])
    value.backward()
    assert value.item() == 0.0
    assert all(doc.grad is not None and not doc.grad.any() for doc in docs)


@pytest.mark.parametrize(
    "loss",
    [
        Loss(),
        Loss(crf=0.0, cross_entropy=1.0),
        Loss(crf=0.7, cross_entropy=0.4, label_smoothing=0.1, label_weights={"A": 2.0, "O": 0.5}),
    ],
)
def test_gradients_are_finite_differences(loss: Loss) -> None:
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
