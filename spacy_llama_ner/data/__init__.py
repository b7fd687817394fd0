"""Data: docs from CoNLL columns and JSON records, DocBins, BIO tags, and files written whole or not at all."""

from .bio_tags import doc_tags, repair_tags
from .conll import Sentence, make_docs, read_conll
from .docbin import CorpusSummary, write_docbin
from .problems import Problem, ProblemReport
from .span_alignment import read_json_docs

__all__ = [
    "CorpusSummary",
    "Problem",
    "ProblemReport",
    "Sentence",
    "doc_tags",
    "make_docs",
    "read_conll",
    "read_json_docs",
    "repair_tags",
    "write_docbin",
]
