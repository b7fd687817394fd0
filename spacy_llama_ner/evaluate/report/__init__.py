"""Pages about a trained pipeline, and about a corpus."""

from .corpora import render_corpora
from .result import render_report

__all__ = ["render_corpora", "render_report"]
