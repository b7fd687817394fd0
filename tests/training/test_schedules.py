"""`warmup_cosine`: the learning rate over a training."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
import spacy
from thinc.api import Adam, Config

from spacy_llama_ner.training.schedules import warmup_cosine


def rates(n: int, *args: float, **kwargs: float) -> list[float]:
    return list(islice(warmup_cosine(*args, **kwargs), n))


def test_up_along_a_line_down_along_a_cosine() -> None:
    given = rates(10, 1.0, 3, 7)
    assert given[:3] == pytest.approx([0.25, 0.5, 0.75])
    assert given[3:7] == pytest.approx([1.0, (1 + 2**-0.5) / 2, 0.5, (1 - 2**-0.5) / 2])
    assert given[7:] == [0.0, 0.0, 0.0]


def test_it_rises_to_its_highest_after_the_warm_up_and_never_rises_again() -> None:
    given = rates(100, 5e-4, 10, 80)
    assert max(given) == given[10] == 5e-4
    assert all(a < b for a, b in pairwise(given[:11]))
    assert all(a >= b for a, b in pairwise(given[10:]))


def test_without_warm_up_it_starts_at_its_highest() -> None:
    assert rates(1, 0.1, 0, 5) == [0.1]


def test_it_stays_at_the_final_rate() -> None:
    given = rates(50, 1.0, 2, 20, final_rate=0.1)
    assert given[20:] == [0.1] * 30
    assert min(given[2:20]) > 0.1


@pytest.mark.parametrize(("warmup_steps", "total_steps"), [(10, 10), (11, 10), (-1, 10), (0, 0)])
def test_nonsense_is_refused_at_once(warmup_steps: int, total_steps: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= warmup_steps < total_steps"):
        warmup_cosine(1.0, warmup_steps, total_steps)


def test_an_optimizer_follows_it_by_its_registered_name() -> None:
    block = Config().from_str(
        """
        [optimizer]
        @optimizers = "Adam.v1"

        [optimizer.learn_rate]
        @schedules = "spacy_llama_ner.warmup_cosine.v1"
        initial_rate = 0.1
        warmup_steps = 1
        total_steps = 3
        """
    )
    optimizer: Adam = spacy.registry.resolve(block)["optimizer"]
    given = []
    for _ in range(4):
        given.append(optimizer.learn_rate)
        optimizer.step_schedules()
    assert given == pytest.approx([0.05, 0.1, 0.05, 0.0])
