"""A pipeline that is sure of everything it has learnt, and gold data of which it is right about two thirds."""

from __future__ import annotations

from pathlib import Path

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example

from tests.pipeline.samples import CORPUS, annotated, learn_by_heart, make_examples, make_nlp

OTHER = {"NAME": "DATE", "DATE": "NAME"}
# what was learnt, twice; and once with the labels changed about
GOLD = [*CORPUS, *CORPUS, *[(text, [(piece, OTHER[label]) for piece, label in pieces]) for text, pieces in CORPUS]]


def make_overconfident(base: Path) -> Language:
    nlp = make_nlp(base)
    learn_by_heart(nlp, make_examples(nlp))
    return nlp


def gold_examples(nlp: Language) -> list[Example]:
    docs = [(nlp.make_doc(text), pieces) for text, pieces in GOLD]
    return [Example(doc, annotated(doc, pieces)) for doc, pieces in docs]


def write_gold(path: Path, nlp: Language) -> Path:
    DocBin(docs=[eg.reference for eg in gold_examples(nlp)]).to_disk(path)
    return path
