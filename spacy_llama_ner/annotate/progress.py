"""What a run has done so far, and the line that shows it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from .chat import Reject, Reply


class Prices(Protocol):
    """What a model takes for its tokens."""

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """The price of so many tokens, in whatever money the prices are."""


@dataclass
class Tally:
    """Counts of a run.

    settled, failed: questions that are done, and those of them that got no usable reply.
    asked, logged: replies that this run got, and replies that it found in its log.
    rejected: replies that could not be used, by reason.
    trouble: requests that brought no reply, by reason.
    input_tokens, output_tokens: of all replies, logged ones included, each counted once.
    """

    settled: int = 0
    failed: int = 0
    asked: int = 0
    logged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    trouble: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0


class Progress:
    """A tally and, where `unit` names what is counted, a progress bar with rate, tokens and cost so far.

    total: how many questions there will be, if known.
    prices: without them, no cost is shown.
    """

    def __init__(self, *, total: int | None = None, unit: str | None = None, prices: Prices | None = None) -> None:
        self.tally = Tally()
        self.prices = prices
        self._total, self._unit = total, unit
        self._bar: Any = None

    def start(self) -> None:
        """Show the bar, where there is to be one."""
        if self._unit is not None:
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, unit=f" {self._unit}", desc="Asking", mininterval=0.5)

    @property
    def cost(self) -> float | None:
        """The price of all tokens so far; None without prices."""
        tally = self.tally
        return None if self.prices is None else self.prices.cost(tally.input_tokens, tally.output_tokens)

    def expect(self, more: int) -> None:
        """`more` questions are to come."""
        if self._bar is not None:
            self._bar.total = (self._bar.total or 0) + more
            self._bar.refresh()

    def got(self, reply: Reply, *, logged: bool) -> None:
        """Count a reply and its tokens."""
        self.tally.logged += logged
        self.tally.asked += not logged
        self.tally.input_tokens += reply.input_tokens
        self.tally.output_tokens += reply.output_tokens

    def rejected(self, reject: Reject) -> None:
        """Count a reply that could not be used."""
        self.tally.rejected[reject.reason] += 1

    def troubled(self, reason: str) -> None:
        """Count a request without a reply."""
        self.tally.trouble[reason] += 1

    def settled(self, *, failed: bool) -> None:
        """Count a question that is done, and move the bar."""
        self.tally.settled += 1
        self.tally.failed += failed
        if self._bar is not None:
            self._bar.set_postfix_str(self._so_far(), refresh=False)
            self._bar.update()

    def say(self, text: str) -> None:
        """Print a line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is, and go on below."""
        if self._bar is not None:
            self._bar.close()

    def _so_far(self) -> str:
        tally = self.tally
        parts = [f"{tally.input_tokens:,}+{tally.output_tokens:,} tokens"]
        if self.cost is not None:
            parts.append(f"cost {self.cost:.2f}")
        if tally.failed:
            parts.append(f"{tally.failed:,} failed")
        if sum(tally.trouble.values()):
            parts.append(f"{sum(tally.trouble.values()):,} tried again")
        return ", ".join(parts)
