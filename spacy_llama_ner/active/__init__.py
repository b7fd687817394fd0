"""Where to spend the expert: what is worth asking, who is asked, and the loop around both."""

from .acquisition import (
    make_bald,
    make_least_entity,
    make_longest,
    make_margin,
    make_mnlp,
    make_random,
    make_sampled,
    make_token_entropy,
)
from .budget import Budget
from .loop import ActiveLearning
from .oracle import GoldOracle

__all__ = [
    "ActiveLearning",
    "Budget",
    "GoldOracle",
    "make_bald",
    "make_least_entity",
    "make_longest",
    "make_margin",
    "make_mnlp",
    "make_random",
    "make_sampled",
    "make_token_entropy",
]
