"""`warmup_cosine.v1`: a schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator


def warmup_cosine(
    initial_rate: float, warmup_steps: int, total_steps: int, final_rate: float = 0.0
) -> Iterator[float]:
    """Rise linearly to `initial_rate`, then fall along half a cosine to `final_rate`, and stay there.

    The shape is that of SGDR without restarts (Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983). The
    arguments are named as those of `warmup_linear.v1`.

    Args:
        initial_rate: The highest rate.
        warmup_steps: Number of updates after which it is reached.
        total_steps: Number of updates after which `final_rate` is reached.
        final_rate: The last rate.

    Returns:
        A rate for each update, without an end.

    Raises:
        ValueError: If `warmup_steps` is below 0, or not below `total_steps`.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warmup_cosine got warmup_steps = {warmup_steps} and total_steps = {total_steps}; "
            "expected 0 <= warmup_steps < total_steps."
        )
    return _rates(initial_rate, warmup_steps, total_steps, final_rate)


def _rates(initial_rate: float, warmup_steps: int, total_steps: int, final_rate: float) -> Iterator[float]:
    for step in range(total_steps):
        if step < warmup_steps:
            yield initial_rate * (step + 1) / (warmup_steps + 1)
        else:
            progress = (step - warmup_steps) / (total_steps - warmup_steps)
            yield final_rate + (initial_rate - final_rate) * (1 + math.cos(math.pi * progress)) / 2
    while True:
        yield final_rate
