"""Pages about a trained pipeline, about two of them, and about a corpus."""

from .corpora import render_corpora
from .difference import render_difference
from .result import render_report

__all__ = ["render_corpora", "render_difference", "render_report"]
