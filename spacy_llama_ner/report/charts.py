"""All SVG of the pages: line charts, histograms, bars, reliability diagrams; and charts as files.

Charts take their colours from the stylesheet (`templates/chart.css`), so they follow light and dark. No script, no
font and no second file is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil, floor, log10
from pathlib import Path

from markupsafe import Markup

from ..evaluate.calibration import Bin

# pixels of a chart and of the margins around its frame
WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 22, 10, 40
# half of a line's width and a little: lines along an edge of the frame are not cut
CLIP_MARGIN = 2
LEGEND_LINE = 15
CSS_FILE = Path(__file__).parent / "templates" / "chart.css"

# no more bars than this in a histogram
MAX_BARS = 25
# share of the sentences, the longest, that may go into the last bar together
TAIL = 0.01
# evaluations from which on the first ones may be cropped
MIN_STEPS = 3


def element(tag: str, *content: str, **attributes: object) -> Markup:
    """Write an SVG element. This is the place where texts and values of attributes are escaped.

    Args:
        tag: Its name.
        *content: Elements, which are `Markup`, and plain text.
        **attributes: Values by name, where `class_` stands for class and `aria_label` for aria-label. A float gets
            one decimal.
    """
    shown = Markup("").join(
        Markup(' {}="{}"').format(
            name.rstrip("_").replace("_", "-"), f"{value:.1f}" if isinstance(value, float) else value
        )
        for name, value in attributes.items()
    )
    if not content:
        return Markup("<{}{}/>").format(tag, shown)
    return Markup("<{}{}>{}</{}>").format(tag, shown, Markup("").join(content), tag)


@dataclass(frozen=True)
class Line:
    """A line of a `line_chart`.

    Attributes:
        name: What the legend calls it.
        points: Step and value; None leaves a gap.
        colour: A CSS colour.
        dash: A CSS value of stroke-dasharray.
    """

    name: str
    points: Sequence[tuple[int, float | None]]
    colour: str
    dash: str = "none"

    @property
    def style(self) -> str:
        """CSS that colours and dashes all that is drawn of the line."""
        return f"--c: {self.colour}; --dash: {self.dash}"


@dataclass(frozen=True)
class Series:
    """A line of an `f1_chart`.

    Attributes:
        name: What the legend calls it.
        points: X, mean F1 (0 to 1) and its standard deviation, 0 for none.
        colour: A CSS colour.
        level: Whether the line runs dashed across the whole chart at the height of its only point.
    """

    name: str
    points: Sequence[tuple[float, float, float]]
    colour: str
    level: bool = False

    @property
    def style(self) -> str:
        """CSS that colours and dashes all that is drawn of the line."""
        return f"--c: {self.colour}; --dash: {'5 4' if self.level else 'none'}"


@dataclass(frozen=True)
class Chart:
    """A chart, to be shown on a page by the macro `figure`, or written to a file by `chart_file`.

    Attributes:
        title: Plain text.
        content: What is drawn.
        height: Height in pixels; the width is `WIDTH`.
        legend: Lines that a legend below the chart names.
    """

    title: str
    content: Markup
    height: int = HEIGHT
    legend: Sequence[Line] = ()

    def to_svg(self) -> Markup:
        """The chart as an SVG element, without title and legend."""
        box = f"0 0 {WIDTH} {self.height}"
        return element("svg", self.content, class_="chart", viewBox=box, role="img", aria_label=self.title)


@dataclass(frozen=True)
class Frame:
    """The area of a chart between its axes.

    Attributes:
        x: Lowest and highest value on the x axis.
        y: Lowest and highest value on the y axis.
    """

    x: tuple[float, float]
    y: tuple[float, float]

    def position(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixels of a value, from the left and from the top."""
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * _share(x, self.x),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _share(y, self.y),
        )

    def axes(
        self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], *, x_name: str = ""
    ) -> Markup:
        """Draw both axes with their ticks, each given as its value and its text, and the name of the x axis."""
        parts = []
        for value, text in y_ticks:
            left, y = self.position(self.x[0], value)
            parts.append(element("path", class_="grid", d=f"M{left:.1f} {y:.1f}H{WIDTH - RIGHT}"))
            parts.append(element("text", text, class_="y", x=left - 7, y=y + 4))
        for value, text in x_ticks:
            x, bottom = self.position(value, self.y[0])
            parts.append(element("text", text, class_="x", x=x, y=bottom + 16))
        if x_name:
            parts.append(element("text", x_name, class_="x", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6))
        return Markup("").join(parts)

    def bar(self, left: float, right: float, height: float, *, tooltip: str) -> Markup:
        """Draw a vertical bar from `left` to `right`, from the bottom up to `height`."""
        x, y = self.position(left, height)
        end, bottom = self.position(right, self.y[0])
        size = {"x": x + 0.75, "y": y, "width": max(end - x - 1.5, 0.5), "height": bottom - y}
        return element("rect", element("title", tooltip), class_="fill", **size)

    def ring(self, x: float, y: float) -> Markup:
        """Draw a ring around a point."""
        left, top = self.position(x, y)
        return element("circle", class_="ring", cx=left, cy=top, r=6)

    def clip(self, content: Markup) -> Markup:
        """Cut off what lies outside of the frame."""
        left, top = LEFT - CLIP_MARGIN, TOP - CLIP_MARGIN
        width, height = WIDTH - LEFT - RIGHT + 2 * CLIP_MARGIN, HEIGHT - TOP - BOTTOM + 2 * CLIP_MARGIN
        box = f"{left} {top} {width} {height}"
        return element("svg", content, x=left, y=top, width=width, height=height, viewBox=box)


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5


def nice_ticks(low: float, high: float, *, max_ticks: int = 6) -> list[float]:
    """Return round numbers in even steps, the first not above `low`, the last not below `high`."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    size = 10.0 ** floor(log10((high - low) / max_ticks))
    for step in (size * factor for factor in (1, 2, 2.5, 5, 10, 20)):
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first < max_ticks:
            return [round(i * step, 10) for i in range(first, last + 1)]
    raise AssertionError("twenty times the size of the range is always enough")


def _with_text(ticks: Sequence[float]) -> list[tuple[float, str]]:
    return [(tick, f"{tick:,.10g}") for tick in ticks]


def line_chart(title: str, lines: Sequence[Line], *, mark: tuple[int, float] | None = None) -> Chart | None:
    """Draw values by step.

    What a line has after the first quarter of its steps fills the chart, since the climb before it would flatten all
    that follows. What lies beyond is cropped (see `is_cropped`).

    Args:
        title: Plain text.
        lines: Lines without any value are left out.
        mark: Step and value of a point to ring.

    Returns:
        The chart, with a legend if there is more than one line; None if no line has a value.
    """
    lines = [line for line in lines if any(value is not None for _, value in line.points)]
    if not lines:
        return None
    known = [[(step, value) for step, value in line.points if value is not None] for line in lines]
    last_step = max(step for points in known for step, _ in points)
    shown = [value for points in known for value in _uncropped(points)] + ([] if mark is None else [mark[1]])
    y_ticks = nice_ticks(min(shown), max(shown))
    x_ticks = nice_ticks(0, last_step, max_ticks=5)
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    axes = frame.axes(_with_text(x_ticks), _with_text(y_ticks), x_name="step")
    drawn = frame.clip(Markup("").join(_draw_line(line, frame) for line in lines))
    ring = Markup("") if mark is None else frame.ring(*mark)
    return Chart(title, axes + drawn + ring, legend=lines if len(lines) > 1 else ())


def is_cropped(steps: Iterable[int]) -> bool:
    """Return whether a `line_chart` is fitted to what a line of these steps has after their first quarter."""
    return len(set(steps)) >= MIN_STEPS


def _uncropped(points: Sequence[tuple[int, float]]) -> list[float]:
    """The values that the chart has to show."""
    steps = [step for step, _ in points]
    start = max(steps) / 4 if is_cropped(steps) else 0
    return [value for step, value in points if step >= start]


def _draw_line(line: Line, frame: Frame) -> Markup:
    path, dots, command = "", [], "M"
    for step, value in line.points:
        if value is None:
            command = "M"
            continue
        x, y = frame.position(step, value)
        # a move alone draws nothing, a line of no length a round dot
        path += f"{command}{x:.1f} {y:.1f}" + ("h0" if command == "M" else "")
        tooltip = element("title", f"{line.name}, step {step:,}: {value:.4g}")
        dots.append(element("circle", tooltip, class_="hint", cx=x, cy=y, r=6))
        command = "L"
    return element("g", element("path", class_="line", d=path), *dots, style=line.style)


def legend_key() -> Markup:
    """Draw a short piece of line for a legend, in the colour and dash of what is around it."""
    return element("svg", element("path", class_="line", d="M1 6H25"), aria_hidden="true")


def f1_chart(title: str, series: Sequence[Series], *, x_name: str, mark: tuple[float, float] | None = None) -> Chart:
    """Draw F1 against what was spent, with standard deviations, and a legend inside the picture.

    Args:
        title: Plain text.
        series: Those without points are left out. At least one that is no level has a point.
        x_name: Name of the x axis.
        mark: X and F1 of a point to ring.
    """
    series = [each for each in series if each.points]
    heights = [100 * (f + side * spread) for each in series for _, f, spread in each.points for side in (-1, 1)]
    y_ticks = nice_ticks(min(heights), max(heights))
    ends = [x for each in series if not each.level for x, _, _ in each.points]
    x_ticks = nice_ticks(0, max(ends) or 1, max_ticks=5)
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    parts = [frame.axes(_with_text(x_ticks), _with_text(y_ticks), x_name=x_name)]
    parts += [_draw_series(each, frame) for each in series]
    if mark is not None:
        parts.append(frame.ring(mark[0], 100 * mark[1]))
    for number, each in enumerate(series, start=1):
        y = HEIGHT + LEGEND_LINE * number
        key = element("path", class_="line", d=f"M{LEFT} {y - 4}h24")
        parts.append(element("g", key, element("text", each.name, x=LEFT + 30, y=y), style=each.style))
    return Chart(title, Markup("").join(parts), HEIGHT + LEGEND_LINE * len(series) + LEGEND_LINE // 2)


def _draw_series(series: Series, frame: Frame) -> Markup:
    if series.level:
        left, y = frame.position(frame.x[0], 100 * series.points[0][1])
        return element(
            "g", element("path", class_="line", d=f"M{left:.1f} {y:.1f}H{WIDTH - RIGHT}"), style=series.style
        )
    path, marks = "", []
    for x, f, spread in series.points:
        left, y = frame.position(x, 100 * f)
        _, low = frame.position(x, 100 * (f - spread))
        _, high = frame.position(x, 100 * (f + spread))
        path += f"{'L' if path else 'M'}{left:.1f} {y:.1f}"
        if spread:
            marks.append(element("path", class_="spread", d=f"M{left:.1f} {low:.1f}V{high:.1f}"))
        value = f"{100 * f:.2f}" + (f" ± {100 * spread:.2f}" if spread else "")
        tooltip = element("title", f"{series.name}, {x:,.10g}: {value}")
        marks.append(element("circle", tooltip, class_="point", cx=left, cy=y, r=3))
    return element("g", element("path", class_="line", d=path), *marks, style=series.style)


def scatter_chart(title: str, points: Sequence[tuple[float, float, str]], *, x_name: str) -> Chart:
    """Draw numbered points, from 1 in the order in which they are given.

    Args:
        title: Plain text.
        points: X, not below 0, y and tooltip of at least one point.
        x_name: Name of the x axis.
    """
    x_ticks = nice_ticks(0, max(x for x, _, _ in points), max_ticks=5)
    y_ticks = nice_ticks(min(y for _, y, _ in points), max(y for _, y, _ in points))
    frame = Frame((0, x_ticks[-1]), (y_ticks[0], y_ticks[-1]))
    parts = [frame.axes(_with_text(x_ticks), _with_text(y_ticks), x_name=x_name)]
    for number, (x, y, tooltip) in enumerate(points, start=1):
        left, top = frame.position(x, y)
        dot = element("circle", class_="dot", cx=left, cy=top, r=3.5)
        text = element("text", str(number), class_="number", x=left + 7, y=top + 4)
        parts.append(element("g", element("title", tooltip), dot, text))
    return Chart(title, Markup("").join(parts))


def histograms(lengths: Mapping[str, Counter[int]], *, unit: str) -> list[Chart]:
    """Draw the distribution of lengths, one chart for each split, all on the same axes.

    Args:
        lengths: How many sentences have how many words, by split.
        unit: What is counted, in the plural.
    """
    width, n_bars = bar_sizes(sum(lengths.values(), Counter()))
    end = n_bars * width
    shares = {name: bar_percentages(each, width=width, n_bars=n_bars) for name, each in lengths.items()}
    y_ticks = nice_ticks(0, max(share for bars in shares.values() for share in bars), max_ticks=5)
    frame = Frame((0, end), (0, y_ticks[-1]))
    # the last tick is the end; none comes so near that their texts would touch
    x_ticks = [*(tick for tick in nice_ticks(0, end) if tick < 0.9 * end), end]
    axes = frame.axes([(tick, f"{tick:,.0f}") for tick in x_ticks], _with_text(y_ticks), x_name="words")
    names = [f"{i * width + 1:,} to {(i + 1) * width:,} words" for i in range(n_bars - 1)]
    names.append(f"more than {(n_bars - 1) * width:,} words")
    charts = []
    for split, bars in shares.items():
        drawn = [
            frame.bar(i * width, (i + 1) * width, share, tooltip=f"{names[i]}: {share:.1f}%")
            for i, share in enumerate(bars)
            if share
        ]
        charts.append(Chart(f"{split}: {unit}, %, by length", axes + Markup("").join(drawn)))
    return charts


def bar_sizes(lengths: Counter[int]) -> tuple[int, int]:
    """Return the width of a histogram's bars in words and their number.

    The bars, at most `MAX_BARS`, hold all sentences but the longest (`TAIL`), which the last bar holds too.
    """
    left = (1 - TAIL) * lengths.total()
    longest = 1
    for length in sorted(lengths):
        longest = max(length, 1)
        left -= lengths[length]
        if left <= 0:
            break
    widths = (factor * 10**power for power in count() for factor in (1, 2, 5))
    width = next(width for width in widths if longest <= width * MAX_BARS)
    return width, -(-longest // width)


def bar_percentages(lengths: Counter[int], *, width: int, n_bars: int) -> list[float]:
    """Return the percentage of the sentences in each bar.

    Bar i has those of i * width + 1 to (i + 1) * width words, and the last all that are longer.
    """
    bars = [0] * n_bars
    for length, times in lengths.items():
        bars[min(max(length - 1, 0) // width, n_bars - 1)] += times
    return [100 * times / max(lengths.total(), 1) for times in bars]


def reliability_diagram(bins: Sequence[Bin]) -> Chart:
    """Draw the accuracy of each bin as a bar, its mean score as a dot, and the dashed line where both are equal."""
    frame = Frame((0, 1), (0, 1))
    ticks = [i / 5 for i in range(6)]
    parts = [frame.axes([(tick, f"{tick:.1f}") for tick in ticks], [(tick, f"{100 * tick:.0f}") for tick in ticks])]
    for row in bins:
        middle, bottom = frame.position((row.low + row.high) / 2, 0)
        parts.append(element("text", f"{row.count:,}", class_="x count", x=middle, y=bottom + 32))
        if row.confidence is not None and row.accuracy is not None:
            tooltip = f"{row.count:,} entities, mean score {row.confidence:.3f}, right {100 * row.accuracy:.1f}%"
            parts.append(frame.bar(row.low, row.high, row.accuracy, tooltip=tooltip))
            x, y = frame.position(row.confidence, row.accuracy)
            parts.append(element("circle", class_="dot", cx=x, cy=y, r=3.5))
    (left, bottom), (right, top) = frame.position(0, 0), frame.position(1, 1)
    parts.append(element("path", class_="ideal", d=f"M{left:.1f} {bottom:.1f}L{right:.1f} {top:.1f}"))
    name = "score, and entities with such a score"
    parts.append(element("text", name, class_="x", x=(left + right) / 2, y=HEIGHT + 10))
    return Chart("Right, %, by score", Markup("").join(parts), HEIGHT + 18)


def share_bar(*parts: tuple[float, str]) -> Markup:
    """Draw a horizontal bar for a cell of a table.

    Args:
        *parts: Share of the full length (0 to 1) and CSS class of each part, from left to right.
    """
    drawn, start = [], 0.0
    for share, css_class in parts:
        size = {"x": f"{100 * start:.2f}%", "width": f"{100 * share:.2f}%", "height": "100%"}
        drawn.append(element("rect", class_=css_class, **size))
        start += share
    return element("svg", *drawn, class_="bar", aria_hidden="true")


def bar_chart(title: str, bars: Sequence[tuple[str, float, str]], *, value_format: str = ",.0f") -> Chart:
    """Draw named horizontal bars, with their values at their ends.

    Args:
        title: Plain text.
        bars: Name, value (not below 0) and CSS colour.
        value_format: How values are written.
    """
    line, room_for_value = 30, 60
    longest = max((value for _, value, _ in bars), default=0) or 1
    parts = []
    for number, (name, value, colour) in enumerate(bars):
        top, width = line * number + 6, (WIDTH - room_for_value) * value / longest
        parts.append(element("text", name, class_="name", x=1, y=top + 9))
        parts.append(
            element("rect", class_="coloured", x=1, y=top + 13, width=width, height=9, style=f"--c: {colour}")
        )
        parts.append(element("text", format(value, value_format), x=width + 6, y=top + 21.5))
    return Chart(title, Markup("").join(parts), line * len(bars) + 10)


def chart_file(title: str, charts: Sequence[Chart], *, columns: int = 1) -> str:
    """Write charts as an SVG file of their own, which brings its colours along.

    Args:
        title: Title of the file, which is not drawn.
        charts: One, which is drawn without its title, or more, each under its own.
        columns: Number of charts side by side.
    """
    is_single = len(charts) == 1
    margin, gap, heading = (0, 0, 0) if is_single else (16, 24, 28)
    rows = [charts[start : start + columns] for start in range(0, len(charts), columns)]
    parts, y = [], margin
    for row in rows:
        for column, chart in enumerate(row):
            x = margin + column * (WIDTH + gap)
            if not is_single:
                parts.append(element("text", chart.title, class_="title", x=x + 1, y=y + 12))
            size = {"x": x, "y": y + heading, "width": WIDTH, "height": chart.height}
            parts.append(element("svg", chart.content, viewBox=f"0 0 {WIDTH} {chart.height}", **size))
        y += heading + max(chart.height for chart in row) + gap
    width, height = 2 * margin + columns * (WIDTH + gap) - gap, y - gap + margin
    return element(
        "svg",
        element("title", title),
        element("style", Markup(CSS_FILE.read_text(encoding="utf8"))),
        element("rect", width=width, height=height, fill="#fff"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        viewBox=f"0 0 {width} {height}",
        # a page that shows the file may scale it as it likes
        width=2 * width if is_single else width,
        role="img",
    )
