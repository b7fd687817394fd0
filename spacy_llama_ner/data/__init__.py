"""Data: CoNLL columns and LLM-made JSON into DocBins, tags, and a reader for a fraction of a corpus."""

from .bio_tags import doc_tags, repair
from .conll import Sentence, make_docs, read_conll
from .docbin import Summary, write_docbin
from .problems import Problem, ProblemReport
from .span_alignment import read_requests

__all__ = [
    "Problem",
    "ProblemReport",
    "Sentence",
    "Summary",
    "doc_tags",
    "make_docs",
    "read_conll",
    "read_requests",
    "repair",
    "write_docbin",
]
