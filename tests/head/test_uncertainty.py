"""Measures of uncertainty, against all tag sequences counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacy_llama_ner.head.architectures import TaggerModel, get_head
from spacy_llama_ner.head.uncertainty import (
    Measure,
    least_entity,
    margin,
    measure_disagreement,
    measure_uncertainty,
    mnlp,
    token_entropy,
)
from tests.head.samples import (
    WIDTH,
    BruteForce,
    entities,
    make_emissions,
    random_crf,
    random_emissions,
    scaled_crf,
)

BATCHES = [(1, [6, 1, 4]), (2, [1, 5, 3, 2]), (2, [1, 1]), (3, [3, 2, 1]), (0, [3, 1])]
MEASURES = [token_entropy, mnlp, least_entity, margin]


def entropy(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=-1)


def expected(by: Measure, brute: BruteForce) -> float:
    """The same, read off the whole distribution."""
    ordered = np.sort(brute.probabilities)[::-1]
    if by is token_entropy:
        return float(entropy(brute.marginals()).mean())
    if by is mnlp:
        return float(-np.log(ordered[0]) / len(brute.sequences[0]))
    if by is margin:
        return float(1 - (ordered[0] - (ordered[1] if len(ordered) > 1 else 0.0)))
    found = entities(tuple(brute.best()), brute.names)
    if found:
        return float(1 - min(brute.span_probability(entity) for entity in found))
    pairs = zip(brute.sequences, brute.probabilities, strict=True)
    return float(sum(p for tags, p in pairs if entities(tags, brute.names)))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n_labels", "lengths"), BATCHES)
@pytest.mark.parametrize("by", MEASURES)
def test_counts_all_sequences(by: Measure, n_labels: int, lengths: list[int], seed: int, temperature: float) -> None:
    crf = random_crf(n_labels, seed)
    emissions = random_emissions(len(lengths), max(lengths), 1 + 2 * n_labels, seed)
    found = by(crf, emissions, torch.tensor(lengths), temperature).tolist()
    scaled = scaled_crf(crf, temperature)
    brute = [BruteForce(scaled, doc[:n] / temperature) for doc, n in zip(emissions, lengths, strict=True)]
    np.testing.assert_allclose(found, [expected(by, each) for each in brute], atol=2e-5)


def test_without_a_found_entity_it_counts_what_may_have_been_missed() -> None:
    crf = random_crf(2, 0)
    emissions = random_emissions(10, 3, 5, 0)
    emissions[:, :, 0] += 8
    brute = [BruteForce(crf, doc) for doc in emissions]
    empty = [i for i, each in enumerate(brute) if each.best() == [0, 0, 0]]
    assert len(empty) > 3
    found = least_entity(crf, emissions, torch.full((10,), 3), 1.0).tolist()
    nothing = [float(brute[i].probabilities[brute[i].sequences.index((0, 0, 0))]) for i in empty]
    np.testing.assert_allclose([found[i] for i in empty], 1 - np.asarray(nothing), atol=1e-5)


@pytest.mark.parametrize("by", MEASURES)
def test_what_lies_behind_a_doc_changes_nothing(by: Measure) -> None:
    crf = random_crf(2, 1)
    emissions = random_emissions(2, 6, 5, 1)
    lengths = torch.tensor([3, 6])
    before = by(crf, emissions, lengths, 1.0)
    emissions[0, 3:] = 50.0
    torch.testing.assert_close(by(crf, emissions, lengths, 1.0), before)


@pytest.mark.parametrize("by", MEASURES)
def test_a_sure_model_has_nothing_to_learn_and_long_docs_lose_no_precision(by: Measure) -> None:
    crf = random_crf(2, 2)
    tags = torch.tensor([0, 1, 2, 0, 3] * 400)
    sure = torch.full((1, len(tags), 5), -40.0).scatter_(2, tags[None, :, None], 40.0)
    length = torch.tensor([len(tags)])
    assert by(crf, sure, length, 1.0).item() == pytest.approx(0.0, abs=1e-4)
    assert by(crf, torch.zeros_like(sure), length, 1.0).item() > 0.3


def test_docs_of_all_lengths_get_their_own_number(tagger: TaggerModel) -> None:
    emissions = make_emissions(4, 0, 6, 1, 5, 0)
    together = measure_uncertainty(tagger, emissions, token_entropy)
    alone = [measure_uncertainty(tagger, [doc], token_entropy)[0] for doc in emissions]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together[1] == together[5] == 0.0
    assert min(together[i] for i in (0, 2, 3, 4)) > 0


def test_the_temperature_of_the_head_counts(tagger: TaggerModel) -> None:
    emissions = make_emissions(5)
    sharp = measure_uncertainty(tagger, emissions, token_entropy)
    get_head(tagger).temperature = 3.0
    assert measure_uncertainty(tagger, emissions, token_entropy) > sharp


def make_words(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [3 * rng.normal(size=(n, WIDTH)).astype("float32") for n in lengths]


def test_disagreement_is_the_information_between_tags_and_dropout(tagger: TaggerModel) -> None:
    head = get_head(tagger)
    words = make_words(4, 0, 3)
    torch.manual_seed(5)
    found = measure_disagreement(tagger, words, passes=6, dropout=0.5)
    torch.manual_seed(5)
    head.train()
    head.dropout.p = 0.5
    with torch.no_grad():
        flat = torch.from_numpy(np.concatenate(words))
        passes = [head(flat, [4, 0, 3]).split([4, 0, 3]) for _ in range(6)]
    for i in (0, 2):
        marginals = np.stack([BruteForce(head.crf, emissions[i]).marginals() for emissions in passes])
        wanted = entropy(marginals.mean(axis=0)) - entropy(marginals).mean(axis=0)
        assert found[i] == pytest.approx(wanted.mean(), abs=1e-5)
        assert found[i] > 0.001
    assert found[1] == 0.0


def test_passes_that_drop_nothing_agree(tagger: TaggerModel) -> None:
    assert measure_disagreement(tagger, make_words(4, 3), passes=3, dropout=0.0) == pytest.approx(
        [0.0, 0.0], abs=1e-6
    )


def test_dropout_is_over_when_the_numbers_are_there(tagger: TaggerModel) -> None:
    head = get_head(tagger)
    head.eval()
    head.dropout.p = 0.125
    measure_disagreement(tagger, make_words(4), passes=2, dropout=0.5)
    assert not head.training
    assert head.dropout.p == 0.125
