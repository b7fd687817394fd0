"""Data: CoNLL columns and LLM-made JSON into DocBins, tags, and a reader for a fraction of a corpus."""

from .conll import Sentence, read_conll
from .docbin import Summary, write_docbin
from .report import Problem, Report
from .requests import read_requests
from .sentences import make_docs
from .tags import doc_tags, repair

__all__ = [
    "Problem",
    "Report",
    "Sentence",
    "Summary",
    "doc_tags",
    "make_docs",
    "read_conll",
    "read_requests",
    "repair",
    "write_docbin",
]
