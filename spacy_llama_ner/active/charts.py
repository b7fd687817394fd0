"""F1 against what labels take, as SVG for a page or for a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..evaluate.report.svg import HEIGHT, LEFT, RIGHT, WIDTH, Frame, nice_ticks, numbered

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
text.y { text-anchor: end; }
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

    @property
    def style(self) -> str:
        """Colour and dash for all that is drawn of the line."""
        return f'style="--c: {self.colour}; --dash: {"5 4" if self.level else "none"}"'


@dataclass(frozen=True)
class Chart:
    """content: SVG. height: of the whole picture."""

    content: str
    height: int


def f1_chart(series: Sequence[Series], *, x_name: str, ring: tuple[float, float] | None = None) -> Chart:
    """A chart of these series with its legend. ring: a point to mark, x and F1.

    At least one series that is no level has a point.
    """
    series = [each for each in series if each.points]
    heights = [100 * (f + side * spread) for each in series for _, f, spread in each.points for side in (-1, 1)]
    y_ticks = nice_ticks(min(heights), max(heights))
    ends = [x for each in series if not each.level for x, _, _ in each.points]
    x_ticks = nice_ticks(0, max(ends) or 1, most=5)
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    axes = frame.axes(numbered(x_ticks), numbered(y_ticks), x_name=x_name)
    drawn = "".join(_draw(each, frame) for each in series)
    keys = "".join(_key(each, HEIGHT + LINE * at + LINE // 2) for at, each in enumerate(series))
    marked = ""
    if ring is not None:
        x, y = frame.at(ring[0], 100 * ring[1])
        marked = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
    return Chart(axes + drawn + marked + keys, HEIGHT + LINE * len(series))


def alone(title: str, chart: Chart) -> str:
    """A chart as a file of its own."""
    size = {"width": WIDTH, "height": chart.height, "double": 2 * WIDTH}
    return _ALONE.format(**size, title=escape(title), css=CSS, content=chart.content)


def _draw(series: Series, frame: Frame) -> str:
    if series.level:
        left, y = frame.at(frame.x[0], 100 * series.points[0][1])
        return f'<g {series.style}><path class="line" d="M{left:.1f} {y:.1f}H{WIDTH - RIGHT}"/></g>'
    path, marks = "", ""
    for x, f, spread in series.points:
        at, y = frame.at(x, 100 * f)
        _, low = frame.at(x, 100 * (f - spread))
        _, high = frame.at(x, 100 * (f + spread))
        path += f"{'L' if path else 'M'}{at:.1f} {y:.1f}"
        hint = escape(f"{series.name}, {x:,.10g}: {100 * f:.2f}" + (f" ± {100 * spread:.2f}" if spread else ""))
        marks += f'<path class="spread" d="M{at:.1f} {low:.1f}V{high:.1f}"/>' if spread else ""
        marks += f'<circle class="point" cx="{at:.1f}" cy="{y:.1f}" r="3"><title>{hint}</title></circle>'
    return f'<g {series.style}><path class="line" d="{path}"/>{marks}</g>'


def _key(series: Series, y: int) -> str:
    return (
        f'<g {series.style}><path class="line" d="M{LEFT} {y - 4}h24"/>'
        f'<text x="{LEFT + 30}" y="{y}">{escape(series.name)}</text></g>'
    )
