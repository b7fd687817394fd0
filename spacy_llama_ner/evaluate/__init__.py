"""Scores of pipelines, their errors, their calibration, and what corpora hold."""

from .scorer import make_seqeval_scorer, seqeval_score

__all__ = ["make_seqeval_scorer", "seqeval_score"]
