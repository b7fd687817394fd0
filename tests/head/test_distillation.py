"""How far the tags of a model are from those of its teacher, where the teacher knows the label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from thinc.types import Floats2d

from spacy_llama_ner.head.architectures import get_head
from spacy_llama_ner.head.distillation import distillation_loss
from tests.head.samples import BruteForce, make_emissions, make_tagger

NEW_TAG = 5  # the first tag of a third label


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
def test_a_new_label_where_the_teacher_found_nothing_is_no_loss(value: float) -> None:
    """Words that were surely "O" may become anything new."""
    wanted = [np.tile(np.asarray([30, 0, 0, 0, 0], dtype="float32"), (5, 1))]
    given = widened(wanted, 30 + value)
    loss, (gradient,) = distillation_loss(make_tagger(3), given, teacher=make_tagger(), teacher_emissions=wanted)
    assert loss == pytest.approx(0, abs=1e-4)
    assert abs(gradient).max() < 1e-4


def test_a_new_label_in_place_of_an_old_entity_is_a_loss() -> None:
    wanted = [np.asarray([[0, 30, 0, 0, 0], [30, 0, 0, 0, 0]], dtype="float32")]
    given = widened(wanted, 0.0)
    given[0][0, NEW_TAG] = 35.0
    loss, (gradient,) = distillation_loss(make_tagger(3), given, teacher=make_tagger(), teacher_emissions=wanted)
    assert loss > 1
    # the old label is to rise, the new one to fall
    assert gradient[0, 1] < 0 < gradient[0, NEW_TAG]


def test_the_gradient_is_that_of_the_loss_and_reaches_the_transitions() -> None:
    model, teacher = make_tagger(3), make_tagger()
    wanted, given = make_emissions(3, 5), widened(make_emissions(3, 5), 0.5)
    given[0][1, 2] += 1
    loss, gradients = distillation_loss(model, given, teacher=teacher, teacher_emissions=wanted)
    crf = get_head(model).crf
    assert crf.end_transitions.grad is not None and crf.end_transitions.grad.any()
    for tag in (0, 2, NEW_TAG):
        nudged = [doc.copy() for doc in given]
        nudged[0][1, tag] += 1e-2
        change = distillation_loss(model, nudged, teacher=teacher, teacher_emissions=wanted)[0] - loss
        assert change == pytest.approx(1e-2 * gradients[0][1, tag], rel=0.1, abs=2e-5)


def test_other_labels_are_refused() -> None:
    model, teacher = make_tagger(), make_tagger(3)
    given, wanted = make_emissions(2), widened(make_emissions(2), 0.0)
    with pytest.raises(ValueError, match=r"the labels \['DATE', 'NAME', 'TIME'\], and this one \['DATE'"):
        distillation_loss(model, given, teacher=teacher, teacher_emissions=wanted)
