"""Charts as inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from math import ceil, floor, log10

from spacy.training import Example

from ..evaluate.calibration import Bin, calibration_bins, error_of_bins, scored_entities
from ..evaluate.predict import percent
from .html import Section, note, table

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
    drawn = "".join(_draw_growth(each, frame) for each in series)
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


def _draw_growth(series: Series, frame: Frame) -> str:
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


# evaluations, from which on the first ones may be cut off
ENOUGH = 3
_KEY = '<svg aria-hidden="true"><path class="line" d="M1 6H25"/></svg>'


@dataclass(frozen=True)
class Line:
    """One line. points: step and value, None where there is none, which leaves a gap; colour, dash: CSS."""

    name: str
    points: Sequence[tuple[int, float | None]]
    colour: str
    dash: str = "none"

    @property
    def style(self) -> str:
        """Colour and dash for all that is drawn of the line."""
        return f'style="--c: {self.colour}; --dash: {self.dash}"'


def line_chart(title: str, lines: Sequence[Line], *, mark: tuple[int, float] | None = None) -> str:
    """Lines with a legend, as HTML; those without any value are left out, and the chart with the last of them.

    What a line has after the first quarter of its steps fills the chart, since the climb before it would flatten all
    that follows; what lies beyond is cut off (`cuts_off`).
    mark: a point to ring.
    """
    lines = [line for line in lines if any(value is not None for _, value in line.points)]
    if not lines:
        return ""
    known = [[(step, value) for step, value in line.points if value is not None] for line in lines]
    end = max(step for points in known for step, _ in points)
    shown = [value for points in known for step, value in _later(points)] + ([] if mark is None else [mark[1]])
    y_ticks = nice_ticks(min(shown), max(shown))
    x_ticks = nice_ticks(0, end, most=5)
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    axes = frame.axes(numbered(x_ticks), numbered(y_ticks), x_name="step")
    drawn = "".join(f"<g {line.style}>{_draw(line, frame)}</g>" for line in lines)
    ring = ""
    if mark is not None:
        x, y = frame.at(*mark)
        ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    keys = "".join(f"<li {line.style}>{_KEY}{escape(line.name)}</li>" for line in lines)
    legend = f'<ul class="keys">{keys}</ul>' if len(lines) > 1 else ""
    return figure(title, axes + frame.clip(drawn) + ring, below=legend)


def cuts_off(steps: Iterable[int]) -> bool:
    """Whether a chart is fitted to what a line of these steps has after their first quarter."""
    return len(set(steps)) >= ENOUGH


def _later(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """The points that a line has to show."""
    steps = [step for step, _ in points]
    early = max(steps) / 4 if cuts_off(steps) else 0
    return [(step, value) for step, value in points if step >= early]


def _draw(line: Line, frame: Frame) -> str:
    path, hints, pen = "", "", "M"
    for step, value in line.points:
        if value is None:
            pen = "M"
            continue
        x, y = frame.at(step, value)
        # a move alone draws nothing, a line of no length a round dot
        path += f"{pen}{x:.1f} {y:.1f}" + ("h0" if pen == "M" else "")
        hint = escape(f"{line.name}, step {step:,}: {value:.4g}")
        hints += f'<circle class="hint" cx="{x:.1f}" cy="{y:.1f}" r="6"><title>{hint}</title></circle>'
        pen = "L"
    return f'<path class="line" d="{path}"/>{hints}'


BINS = 10
HEADER = ("score", "entities", "mean score", "right, %")


def reliability_section(examples: Sequence[Example], groups: Mapping[str, str]) -> Section:
    """A diagram for each span group with scores, under the names of the components that write to it.

    groups: span group with the scores by name of the component.
    """
    writers: dict[str, list[str]] = {}
    for name, key in groups.items():
        writers.setdefault(key, []).append(name)
    told = (
        f"Entities in {BINS} bins of equal width, by the score that the component gave them. In each bin the share "
        "that is right should be the mean score: dots should lie on the dashed line. An entity is right if its "
        "start, end and label are gold."
    )
    parts = [_group(", ".join(names), *scored_entities(examples, spans_key=key)) for key, names in writers.items()]
    if not groups:
        parts = [note("No component of this pipeline gives its entities scores.")]
    return Section("reliability", "Reliability of the scores", note(told) + "".join(parts))


def _group(names: str, scores: Sequence[float], right: Sequence[bool]) -> str:
    heading = f"<h3>{escape(names)}</h3>"
    if not scores:
        return heading + note("No entity was predicted that can be judged.")
    bins = calibration_bins(scores, right, bins=BINS)
    shown = (
        '<dl class="figures"><div class="main"><dt>Expected calibration error, %, 0 is best</dt>'
        f"<dd>{percent(error_of_bins(bins))}</dd></div></dl>"
    )
    rows = [
        (f"{row.low:.1f} to {row.high:.1f}", f"{row.count:,}", _score(row.confidence), percent(row.accuracy))
        for row in bins
    ]
    return f'{heading}<div class="reliability">{shown}{_diagram(bins)}{table(HEADER, rows)}</div>'


def _diagram(bins: Sequence[Bin]) -> str:
    frame = Frame((0, 1), (0, 1))
    ticks = [i / 5 for i in range(6)]
    content = frame.axes([(at, f"{at:.1f}") for at in ticks], [(at, f"{100 * at:.0f}") for at in ticks])
    for row in bins:
        middle, bottom = frame.at((row.low + row.high) / 2, 0)
        content += f'<text class="x count" x="{middle:.1f}" y="{bottom + 32:.1f}">{row.count:,}</text>'
        if row.confidence is not None and row.accuracy is not None:
            hint = f"{row.count:,} entities, mean score {row.confidence:.3f}, right {100 * row.accuracy:.1f}%"
            content += frame.box(row.low, row.high, row.accuracy, kind="fill", hint=hint)
            x, y = frame.at(row.confidence, row.accuracy)
            content += f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    (left, bottom), (end, top) = frame.at(0, 0), frame.at(1, 1)
    content += f'<path class="ideal" d="M{left:.1f} {bottom:.1f}L{end:.1f} {top:.1f}"/>'
    content += (
        f'<text class="x" x="{(left + end) / 2:.1f}" y="{HEIGHT + 10}">score, and entities with such a score</text>'
    )
    return figure("Right, %, by score", content, height=HEIGHT + 18)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
