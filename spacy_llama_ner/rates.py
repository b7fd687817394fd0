"""What a step of training needs to know of the optimizer that asks for it."""

from __future__ import annotations

from typing import Any, NamedTuple

from thinc.api import Adam, Optimizer


class Rates(NamedTuple):
    """The settings of a thinc `Optimizer`, by its own names."""

    learn_rate: float
    b1: float
    b2: float
    eps: float
    L2: float
    L2_is_weight_decay: bool
    grad_clip: float

    @classmethod
    def of(cls, optimizer: Any, *, last: Rates | None) -> Rates:
        """The settings as they are now.

        `nlp.rehearse` of spaCy hands its components a function in place of its optimizer, which has a learning rate
        and momenta and nothing else. What it lacks is as in `last`, the step before, or thinc's default.

        Raises ValueError where it is no Adam.
        """
        if (kind := _kind(optimizer)) != "Adam":
            raise ValueError(
                f"The optimizer is {kind}. The weights of a Llama are trained by Adam: write Adam.v1 into "
                "[training.optimizer], with beta1 and beta2 above 0."
            )
        known = last or cls._read(Adam(0.0))
        return known._replace(**{name: getattr(optimizer, name, getattr(known, name)) for name in cls._fields})

    @classmethod
    def _read(cls, optimizer: Optimizer) -> Rates:
        return cls(*(getattr(optimizer, name) for name in cls._fields))


def _kind(optimizer: Any) -> str:
    """What thinc's optimizer of these settings does."""
    if not optimizer.b1 and not optimizer.b2:
        return "SGD"
    if not optimizer.b1 or not optimizer.b2:
        return f"beta1 = {optimizer.b1}, beta2 = {optimizer.b2}"
    return "RAdam" if getattr(optimizer, "use_radam", False) else "Adam"
