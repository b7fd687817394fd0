"""Histograms of sentence lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import count

from .svg import Frame, figure, nice_ticks

MOST_BARS = 25
# share of the sentences, the longest, that the last bar may sweep together
TAIL = 0.01


def histograms(lengths: Mapping[str, Counter[int]], *, unit: str) -> str:
    """One chart for each split, all on the same axes, as HTML.

    lengths: how many sentences have how many words, by split. unit: what they are, in the plural.
    """
    width, n = bar_sizes(sum(lengths.values(), Counter()))
    shares = {name: in_bars(each, width=width, n=n) for name, each in lengths.items()}
    y_ticks = nice_ticks(0, max(share for bars in shares.values() for share in bars), most=5)
    frame = Frame((0, n * width), (0, y_ticks[-1]))
    # none so near to the end that it would touch the last
    x_ticks = [(tick, f"{tick:,.0f}") for tick in nice_ticks(0, n * width) if tick < 0.9 * n * width]
    x_ticks.append((n * width, f"{n * width:,}"))
    axes = frame.axes(x_ticks, [(tick, f"{tick:.10g}") for tick in y_ticks], x_name="words")
    hints = [f"{i * width + 1:,} to {(i + 1) * width:,} words" for i in range(n - 1)]
    hints.append(f"more than {(n - 1) * width:,} words")
    charts = []
    for name, bars in shares.items():
        boxes = [
            frame.box(i * width, (i + 1) * width, share, kind="fill", hint=f"{hints[i]}: {share:.1f}%")
            for i, share in enumerate(bars)
            if share
        ]
        charts.append(figure(f"{name}: {unit}, %, by length", axes + "".join(boxes)))
    return f'<div class="charts">{"".join(charts)}</div>'


def bar_sizes(lengths: Counter[int]) -> tuple[int, int]:
    """Width of a bar in words, and how many there are: `MOST_BARS` at most for all but the longest sentences."""
    left = (1 - TAIL) * lengths.total()
    top = 1
    for length in sorted(lengths):
        top = max(length, 1)
        left -= lengths[length]
        if left <= 0:
            break
    widths = (factor * 10**power for power in count() for factor in (1, 2, 5))
    width = next(width for width in widths if top <= width * MOST_BARS)
    return width, -(-top // width)


def in_bars(lengths: Counter[int], *, width: int, n: int) -> list[float]:
    """Percentage of the sentences in each bar: i has i * width + 1 to (i + 1) * width words, the last all more."""
    bars = [0] * n
    for length, times in lengths.items():
        bars[min(max(length - 1, 0) // width, n - 1)] += times
    return [100 * times / max(lengths.total(), 1) for times in bars]
