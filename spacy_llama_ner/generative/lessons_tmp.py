from __future__ import annotations

from typing import NamedTuple

from .module import Rows


class Lessons(NamedTuple):
    """Questions with their answers behind them, and the answers by themselves, in subwords."""

    rows: Rows
    answers: list[tuple[int, ...]]
