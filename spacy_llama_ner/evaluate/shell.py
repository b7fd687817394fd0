"""The frame of a page that needs no network, no script and no second file."""

from __future__ import annotations

from html import escape

from .style import CSS

# the policy makes the browser itself refuse scripts and requests
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<header>
<h1>{heading}</h1>
<p class="source">{title}</p>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def render_shell(*, heading: str, title: str, body: str, css: str = "") -> str:
    """A whole page.

    heading: what kind of page this is.
    title: what it is about; both are escaped here.
    body: HTML.
    css: rules besides those that all pages share.
    """
    return _PAGE.format(heading=escape(heading), title=escape(title), body=body, css=CSS + css)
