"""Tables and bars, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "plain") -> str:
    """A table whose rows begin with a heading. All cells are HTML, so what is in them is escaped by the caller.

    kind: CSS class.
    """
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def bar(*parts: tuple[float, str]) -> str:
    """A horizontal bar of one or more parts, each a share of the full length (0 to 1) and a class that colours it."""
    drawn, at = [], 0.0
    for share, kind in parts:
        drawn.append(f'<rect class="{kind}" x="{100 * at:.2f}%" width="{100 * share:.2f}%" height="100%"/>')
        at += share
    return f'<svg class="bar" aria-hidden="true">{"".join(drawn)}</svg>'
