"""Learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterator
import math

def warmup_cosine(
    initial_rate: float, warmup_steps: int, total_steps: int, final_rate: float = 0.0
) -> Iterator[float]:
    """Rise linearly to `initial_rate`, then fall along half a cosine to `final_rate`, and stay there.

    initial_rate: the highest rate, reached after `warmup_steps` updates.
    total_steps: update at which `final_rate` is reached; the argument names follow `warmup_linear.v1`.

    Registered as `spacy_llama_ner.warmup_cosine.v1`. The shape is that of SGDR without restarts
    (Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983).
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
