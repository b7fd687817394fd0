"""Scores, tables and pages."""

from .scorer import make_seqeval_scorer, seqeval_score

__all__ = ["make_seqeval_scorer", "seqeval_score"]
