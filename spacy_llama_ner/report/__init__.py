"""Pages about a trained pipeline, about two of them, and about a corpus."""

from .corpus_page import render_corpora
from .difference_page import render_difference
from .pipeline_page import render_report

__all__ = ["render_corpora", "render_difference", "render_report"]
