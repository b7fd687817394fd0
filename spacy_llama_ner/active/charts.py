"""F1 against what labels take, as SVG for a page or for a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..evaluate.report.svg import BOTTOM, HEIGHT, RIGHT, WIDTH, Frame, nice_ticks

LINE = 15
# a picture in a README has no page around it
_ALONE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{double}" role="img">
<title>{title}</title>
<style>
svg {{ font: 11px system-ui, sans-serif; --muted: #666; --ink: #222; --line: #ddd; --one: #7d5ba6; --two: #2c8a7b;
  --dev: #2f6fb0; --train: #b3762b; }}
{css}
</style>
<rect width="{width}" height="{height}" fill="#fff"/>
{content}
</svg>
"""
CSS = """.chart text, svg text { font-size: 11px; fill: var(--muted); }
text.x { text-anchor: middle; }
text.y, text.key { text-anchor: end; }
.grid { stroke: var(--line); fill: none; }
.line { stroke: var(--c); fill: none; stroke-width: 2; stroke-dasharray: var(--dash); }
.spread { stroke: var(--c); fill: none; stroke-width: 1; }
.point { fill: var(--c); }
.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }"""


@dataclass(frozen=True)
class Series:
    """A line through points (x, F1 from 0 to 1, its spread). colour: CSS.

    level: the line goes on over the whole chart at the height of its only point.
    """

    name: str
    points: Sequence[tuple[float, float, float]]
    colour: str
    level: bool = False


def f1_chart(series: Sequence[Series], *, x_name: str, ring: tuple[float, float] | None = None) -> str:
    """The inside of a chart, with its legend. ring: a point to mark, x and F1.

    At least one series has a point.
    """
    series = [each for each in series if each.points]
    heights = [100 * (f + side * spread) for each in series for _, f, spread in each.points for side in (-1, 1)]
    y_ticks = nice_ticks(min(heights), max(heights))
    x_ticks = nice_ticks(0, max(x for each in series for x, _, _ in each.points) or 1, most=5)
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    axes = frame.axes(*([(tick, f"{tick:,.10g}") for tick in ticks] for ticks in (x_ticks, y_ticks)), x_name=x_name)
    drawn = "".join(_draw(each, frame) for each in series)
    keys = "".join(_key(each, len(series) - at) for at, each in enumerate(series))
    marked = ""
    if ring is not None:
        x, y = frame.at(ring[0], 100 * ring[1])
        marked = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
    return axes + drawn + marked + keys


def alone(title: str, content: str) -> str:
    """A chart as a file of its own."""
    return _ALONE.format(width=WIDTH, height=HEIGHT, double=2 * WIDTH, title=escape(title), css=CSS, content=content)


def _draw(series: Series, frame: Frame) -> str:
    style = f'style="--c: {series.colour}; --dash: {"5 4" if series.level else "none"}"'
    if series.level:
        left, y = frame.at(frame.x[0], 100 * series.points[0][1])
        return f'<g {style}><path class="line" d="M{left:.1f} {y:.1f}H{WIDTH - RIGHT}"/></g>'
    path, marks = "", ""
    for x, f, spread in series.points:
        at, y = frame.at(x, 100 * f)
        _, low = frame.at(x, 100 * (f - spread))
        _, high = frame.at(x, 100 * (f + spread))
        path += f"{'L' if path else 'M'}{at:.1f} {y:.1f}"
        hint = escape(f"{series.name}, {x:,.10g}: {100 * f:.2f}" + (f" ± {100 * spread:.2f}" if spread else ""))
        marks += f'<path class="spread" d="M{at:.1f} {low:.1f}V{high:.1f}"/>' if spread else ""
        marks += f'<circle class="point" cx="{at:.1f}" cy="{y:.1f}" r="3"><title>{hint}</title></circle>'
    return f'<g {style}><path class="line" d="{path}"/>{marks}</g>'


def _key(series: Series, from_below: int) -> str:
    x, y = WIDTH - RIGHT - 4, HEIGHT - BOTTOM - 8 - LINE * (from_below - 1)
    style = f'style="--c: {series.colour}; --dash: {"5 4" if series.level else "none"}"'
    return (
        f'<g {style}><text class="key" x="{x - 30}" y="{y}">{escape(series.name)}</text>'
        f'<path class="line" d="M{x - 24} {y - 4}H{x}"/></g>'
    )
