"""What a component computes from emissions: losses, entities and a temperature, for docs of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacy_llama_ner.head.architectures import TaggerModel, get_head
from spacy_llama_ner.head.bio import MISSING
from spacy_llama_ner.head.inference import decode, fit_head_temperature, get_loss
from tests.head.samples import BruteForce, entities, make_emissions


def test_decodes_the_entities_of_the_best_sequence(tagger: TaggerModel) -> None:
    emissions = make_emissions(4, 0, 6, 1, 5, 0)
    found = decode(tagger, emissions)
    assert sum(map(len, found)) > 3
    crf = get_head(tagger).crf
    for doc, decoded in zip(emissions, found, strict=True):
        if not len(doc):
            assert decoded == []
            continue
        brute = BruteForce(crf, torch.from_numpy(doc))
        assert {entity[:3] for entity in decoded} == entities(tuple(brute.best()), brute.names)
        for entity in decoded:
            assert entity.score == pytest.approx(brute.span_probability(entity[:3]), rel=1e-4)


def test_decoding_in_groups_changes_nothing(tagger: TaggerModel) -> None:
    emissions = make_emissions(*[30, 2, 11, 0, 1, 17] * 5)
    together = decode(tagger, emissions)
    for doc, expected in zip(emissions, together, strict=True):
        (alone,) = decode(tagger, [doc])
        assert [entity[:3] for entity in alone] == [entity[:3] for entity in expected]
        assert [entity.score for entity in alone] == pytest.approx([entity.score for entity in expected], rel=1e-4)


def test_calibration_changes_scores_and_nothing_else(tagger: TaggerModel) -> None:
    emissions = make_emissions(4, 0, 6, 1, 5)
    tags = [np.array([0, 1, 2, 0]), np.zeros(0, dtype="int64"), np.full(6, MISSING), np.array([1]), np.zeros(5, int)]
    before, loss = decode(tagger, emissions), get_loss(tagger, emissions, tags)[0]
    temperature = fit_head_temperature(tagger, emissions, tags)
    assert temperature == get_head(tagger).temperature
    # these emissions are noise, of which the tagger is far too sure
    assert temperature > 1.2
    after = decode(tagger, emissions)
    assert [[entity[:3] for entity in doc] for doc in after] == [[entity[:3] for entity in doc] for doc in before]
    assert [entity.score for doc in after for entity in doc] != [entity.score for doc in before for entity in doc]
    assert get_loss(tagger, emissions, tags)[0] == loss
    # once more from the same emissions gives the same: what was fitted does not enter the fit
    assert fit_head_temperature(tagger, emissions, tags) == temperature


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.0, 10.0])
def test_the_best_sequence_is_the_same_at_any_temperature(tagger: TaggerModel, temperature: float) -> None:
    emissions = make_emissions(*range(40))
    before = decode(tagger, emissions)
    get_head(tagger).temperature = temperature
    after = decode(tagger, emissions)
    assert [[entity[:3] for entity in doc] for doc in after] == [[entity[:3] for entity in doc] for doc in before]
    assert sum(map(len, after)) > 100


def test_gradient_on_the_emissions_is_a_finite_difference(tagger: TaggerModel) -> None:
    emissions = make_emissions(4, 0, 3)
    tags = [np.array([1, 2, MISSING, 0]), np.zeros(0, dtype="int64"), np.array([3, 4, 1])]
    loss, gradients = get_loss(tagger, emissions, tags)
    assert loss > 0
    assert [doc.shape for doc in gradients] == [(4, 5), (0, 5), (3, 5)]
    for doc, word, tag in [(0, 0, 1), (0, 2, 3), (2, 1, 4), (2, 2, 0)]:
        up, down = [x.copy() for x in emissions], [x.copy() for x in emissions]
        up[doc][word, tag] += 1e-2
        down[doc][word, tag] -= 1e-2
        slope = (get_loss(tagger, up, tags)[0] - get_loss(tagger, down, tags)[0]) / 2e-2
        assert gradients[doc][word, tag] == pytest.approx(slope, rel=1e-2, abs=1e-4)


def test_the_crf_itself_gets_gradients(tagger: TaggerModel) -> None:
    get_loss(tagger, make_emissions(3), [np.array([1, 2, 0])])
    for parameter in get_head(tagger).crf.parameters():
        assert parameter.grad is not None and parameter.grad.any()


def test_no_known_tag_gives_zero_loss_and_zero_gradients(tagger: TaggerModel) -> None:
    loss, gradients = get_loss(tagger, make_emissions(3, 2), [np.full(3, MISSING), np.full(2, MISSING)])
    assert loss == 0.0
    assert not any(doc.any() for doc in gradients)
    assert all(p.grad is None for p in get_head(tagger).crf.parameters())
