"""HTML pages about pipelines, corpora and experiments: a module and a template each, and all SVG from `charts`."""

from .corpus_page import render_corpus_report
from .difference_page import render_difference
from .pipeline_page import render_pipeline_report, render_predictions

__all__ = ["render_corpus_report", "render_difference", "render_pipeline_report", "render_predictions"]
