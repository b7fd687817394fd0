"""What a component asks of a tagger: losses and entities, for docs of any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from spacy_llama_ner.head import CRFTagger, LinearHead, TaggingLoss
from spacy_llama_ner.head.architectures import TaggerModel, set_labels
from spacy_llama_ner.head.bio import MISSING
from spacy_llama_ner.head.crf import WORDS_PER_GROUP, group_by_length, pad
from spacy_llama_ner.head.inference import calibrate, decode, get_loss
from tests.head.helpers import LABELS, BruteForce, entities

WIDTH = 4


def vectors() -> Model[list[Doc], list[Floats2d]]:
    """A tok2vec that gives zeros; these tests hand emissions in themselves."""

    def forward(model: Model, docs: list[Doc], is_train: bool) -> tuple:
        return [model.ops.alloc2f(len(doc), WIDTH) for doc in docs], lambda d_words: []

    return Model("zeros", forward, dims={"nO": WIDTH})


@pytest.fixture
def tagger() -> TaggerModel:
    """A tagger of two labels with random transitions."""
    model = CRFTagger(vectors(), LinearHead(), TaggingLoss(cross_entropy=0.5))
    head = model.get_ref("head")
    set_labels(head, LABELS[:2])
    model.initialize()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in head.shims[0].module.crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def make_emissions(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [2 * rng.normal(size=(n, 5)).astype("float32") for n in lengths]


def test_decodes_the_entities_of_the_best_sequence(tagger: TaggerModel) -> None:
    emissions = make_emissions(4, 0, 6, 1, 5, 0)
    found = decode(tagger, emissions)
    assert sum(map(len, found)) > 3
    crf = tagger.get_ref("head").shims[0].module.crf
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
    temperature = calibrate(tagger, emissions, tags)
    assert temperature == tagger.get_ref("head").shims[0].module.temperature
    # these emissions are noise, of which the tagger is far too sure
    assert temperature > 1.2
    after = decode(tagger, emissions)
    assert [[entity[:3] for entity in doc] for doc in after] == [[entity[:3] for entity in doc] for doc in before]
    assert [entity.score for doc in after for entity in doc] != [entity.score for doc in before for entity in doc]
    assert get_loss(tagger, emissions, tags)[0] == loss
    # once more from the same emissions gives the same: what was fitted does not enter the fit
    assert calibrate(tagger, emissions, tags) == temperature


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.0, 10.0])
def test_the_best_sequence_is_the_same_at_any_temperature(tagger: TaggerModel, temperature: float) -> None:
    emissions = make_emissions(*range(40))
    before = decode(tagger, emissions)
    tagger.get_ref("head").shims[0].module.temperature = temperature
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
    for parameter in tagger.get_ref("head").shims[0].module.crf.parameters():
        assert parameter.grad is not None and parameter.grad.any()


def test_no_known_tag_gives_zero_loss_and_zero_gradients(tagger: TaggerModel) -> None:
    loss, gradients = get_loss(tagger, make_emissions(3, 2), [np.full(3, MISSING), np.full(2, MISSING)])
    assert loss == 0.0
    assert not any(doc.any() for doc in gradients)
    assert all(p.grad is None for p in tagger.get_ref("head").shims[0].module.crf.parameters())


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
