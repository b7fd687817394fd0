"""A chart of lines over training steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from .svg import Frame, figure, nice_ticks, numbered

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
