"""Charts as inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 22, 10, 40
# half of a line's width and a little
SLACK = 2


@dataclass(frozen=True)
class Frame:
    """The drawing area, which shows `x` and `y`, each from low to high."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a value lies in the picture."""
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * _share(x, self.x),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(y, self.y),
        )

    def box(self, left: float, right: float, height: float, *, kind: str, hint: str) -> str:
        """A bar from the bottom up to `height`, with a hint for the pointer (plain text)."""
        x, y = self.at(left, height)
        end, bottom = self.at(right, self.y[0])
        size = f'x="{x + 0.75:.1f}" y="{y:.1f}" width="{max(end - x - 1.5, 0.5):.1f}" height="{bottom - y:.1f}"'
        return f'<rect class="{kind}" {size}><title>{escape(hint)}</title></rect>'

    def clip(self, content: str) -> str:
        """Cut off what lies outside."""
        left, top = LEFT - SLACK, TOP - SLACK
        width, height = WIDTH - LEFT - RIGHT + 2 * SLACK, HEIGHT - TOP - BOTTOM + 2 * SLACK
        box = f'x="{left}" y="{top}" width="{width}" height="{height}" viewBox="{left} {top} {width} {height}"'
        return f"<svg {box}>{content}</svg>"

    def axes(
        self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], *, x_name: str = ""
    ) -> str:
        """Lines and numbers of both axes; ticks are a value and its text."""
        parts = []
        for value, text in y_ticks:
            left, y = self.at(self.x[0], value)
            parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text class="y" x="{left - 7:.1f}" y="{y + 4:.1f}">{escape(text)}</text>')
        for value, text in x_ticks:
            x, bottom = self.at(value, self.y[0])
            parts.append(f'<text class="x" x="{x:.1f}" y="{bottom + 16:.1f}">{escape(text)}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text class="x" x="{middle}" y="{HEIGHT - 6}">{escape(x_name)}</text>')
        return "".join(parts)


def numbered(ticks: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks with their numbers as text, for `Frame.axes`."""
    return [(tick, f"{tick:,.10g}") for tick in ticks]


def figure(title: str, content: str, *, below: str = "", height: int = HEIGHT) -> str:
    """A chart under its title. content: SVG inside the frame; below: HTML under the chart, such as a legend.

    height: of the picture, where more than the frame is in it.
    """
    name = escape(title)
    chart = f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">{content}</svg>'
    return f"<figure><figcaption>{name}</figcaption>{chart}{below}</figure>"


def nice_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """At most `most` round numbers in even steps, the first not above `low`, the last not below `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    size = 10.0 ** floor(log10((high - low) / most))
    for step in (size * factor for factor in (1, 2, 2.5, 5, 10, 20)):
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first < most:
            return [round(i * step, 10) for i in range(first, last + 1)]
    raise AssertionError("twenty times the size of the range is always enough")


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5
