"""Sections of a page, with links to them at its top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """key: what links point to; title: plain text without special characters; body: HTML."""

    key: str
    title: str
    body: str


def join_sections(sections: Sequence[Section]) -> str:
    """Links, then all sections, as HTML."""
    links = "".join(f'<a href="#{each.key}">{each.title}</a>' for each in sections)
    parts = [f'<section id="{each.key}">\n<h2>{each.title}</h2>\n{each.body}\n</section>' for each in sections]
    return "\n".join([f'<nav aria-label="Sections">{links}</nav>', *parts])


def note(text: str) -> str:
    """An explanation, given as HTML."""
    return f'<p class="note">{text}</p>'
