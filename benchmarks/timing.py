"""Clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Clock = Callable[[], float]


@dataclass(frozen=True)
class Timing:
    """Seconds of one thing, run several times."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle one, seconds."""
        return median(self.seconds)

    def rate(self, n: float) -> float:
        """How many of `n` units a second, by the median."""
        return n / self.median


def in_turns(runs: dict[str, Callable[[], object]], *, rounds: int, clock: Clock = perf_counter) -> dict[str, Timing]:
    """Time each of `runs` once a round, after one round that does not count.

    The machine's speed drifts; taken in turns, the ratios of the medians do not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if turn:
                seconds[name].append(clock() - start)
    return {name: Timing(values) for name, values in seconds.items()}
