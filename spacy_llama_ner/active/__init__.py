"""Active learning: which texts to label, who labels them, and the loop."""

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
