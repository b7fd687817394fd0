"""How far a model has come from an earlier one, where the earlier one has something to say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from thinc.types import Floats2d

from spacy_llama_ner.head import CRFTagger, LinearHead, TaggingLoss
from spacy_llama_ner.head.architectures import TaggerModel, extend_labels, get_head, set_labels
from spacy_llama_ner.head.distillation import distillation_loss
from tests.head.helpers import LABELS, BruteForce
from tests.head.test_inference import make_emissions, vectors

OLD = 5  # tags of two labels


def make_tagger(n_labels: int = 2) -> TaggerModel:
    """A tagger with random transitions, the same each time for the first two labels."""
    model = CRFTagger(vectors(), LinearHead(), TaggingLoss())
    head = model.get_ref("head")
    set_labels(head, LABELS[:2])
    model.initialize()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in head.shims[0].module.crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    if n_labels > 2:
        extend_labels(head, LABELS[:n_labels])
    return model


def widened(emissions: list[Floats2d], value: float) -> list[Floats2d]:
    """The same with the tags of one more label, which all score `value`."""
    return [np.concatenate([doc, np.full((len(doc), 2), value, dtype="float32")], axis=1) for doc in emissions]


def test_two_models_that_agree_have_no_loss_and_no_gradient() -> None:
    emissions = make_emissions(7, 0, 2)
    loss, gradients = distillation_loss(make_tagger(), emissions, teacher=make_tagger(), teacher_emissions=emissions)
    assert loss == pytest.approx(0, abs=1e-6)
    assert [doc.shape for doc in gradients] == [doc.shape for doc in emissions]
    assert all(abs(doc).max(initial=0) < 1e-6 for doc in gradients)


def test_the_loss_is_the_divergence_of_the_marginals_by_word() -> None:
    model, teacher = make_tagger(), make_tagger()
    (wanted,) = make_emissions(4)
    given = wanted[::-1].copy()
    p, q = (
        BruteForce(get_head(each).crf, torch.from_numpy(emissions)).marginals()
        for each, emissions in ((teacher, wanted), (model, given))
    )
    possible = p > 0
    expected = (p[possible] * np.log(p[possible] / q[possible])).sum() / 4
    loss, _ = distillation_loss(model, [given], teacher=teacher, teacher_emissions=[wanted])
    assert loss == pytest.approx(expected, rel=1e-4) and loss > 0.1


@pytest.mark.parametrize("value", [-30.0, 0.0, 3.0])
def test_a_new_label_where_the_old_model_saw_nothing_is_no_loss(value: float) -> None:
    """Words that were surely "O" may become anything new."""
    wanted = [np.tile(np.asarray([30, 0, 0, 0, 0], dtype="float32"), (5, 1))]
    model = make_tagger(3)
    loss, (gradient,) = distillation_loss(model, widened(wanted, 30 + value), teacher=make_tagger(), teacher_emissions=wanted)
    assert loss == pytest.approx(0, abs=1e-4)
    assert abs(gradient).max() < 1e-4


def test_a_new_label_in_place_of_an_old_entity_is_a_loss() -> None:
    wanted = [np.asarray([[0, 30, 0, 0, 0], [30, 0, 0, 0, 0]], dtype="float32")]
    given = widened(wanted, 0.0)
    given[0][0, OLD] = 35.0
    loss, (gradient,) = distillation_loss(make_tagger(3), given, teacher=make_tagger(), teacher_emissions=wanted)
    assert loss > 1
    # the old label is to rise, the new one to fall
    assert gradient[0, 1] < 0 < gradient[0, OLD]


def test_the_gradient_is_that_of_the_loss_and_reaches_the_transitions() -> None:
    model, teacher = make_tagger(3), make_tagger()
    wanted, given = make_emissions(3, 5), widened(make_emissions(3, 5), 0.5)
    given[0][1, 2] += 1
    loss, gradients = distillation_loss(model, given, teacher=teacher, teacher_emissions=wanted)
    crf = get_head(model).crf
    assert crf.end_transitions.grad is not None and crf.end_transitions.grad.any()
    for tag in (0, 2, OLD):
        nudged = [doc.copy() for doc in given]
        nudged[0][1, tag] += 1e-2
        change = distillation_loss(model, nudged, teacher=teacher, teacher_emissions=wanted)[0] - loss
        assert change == pytest.approx(1e-2 * gradients[0][1, tag], rel=0.1, abs=2e-5)


def test_other_labels_are_refused() -> None:
    model, teacher = make_tagger(), make_tagger(3)
    with pytest.raises(ValueError, match=r"the labels \['DATE', 'NAME', 'TIME'\], and this one \['DATE'"):
        distillation_loss(model, make_emissions(2), teacher=teacher, teacher_emissions=widened(make_emissions(2), 0.0))
