"""Texts, exports of each tool in its own format, and short ways to look at docs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import spacy
from spacy.tokens import Doc, Span

EXPORTS = Path(__file__).parent / "exports"
NLP = spacy.blank("en")
MEETING = "Ada Quill met Bo Reed in Rome 😀 with Cy."
PEOPLE = [("Ada Quill", "PER"), ("Bo Reed", "PER"), ("Rome", "LOC"), ("Cy", "PER")]
LABELS = ["PER", "LOC"]


def marked(text: str, *pieces: tuple[str, str], default: str = "outside") -> Doc:
    """A doc in which these pieces of its text are entities."""
    doc = NLP.make_doc(text)
    doc.set_ents([span_of(doc, *piece) for piece in pieces], default=default)
    return doc


def span_of(doc: Doc, piece: str, label: str = "") -> Span:
    start = doc.text.index(piece)
    span = doc.char_span(start, start + len(piece), label=label)
    assert span is not None
    return span


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def tags(doc: Doc) -> list[str]:
    """B, I, O, or an empty string where nothing is known."""
    return [token.ent_iob_ for token in doc]


def with_scores(doc: Doc, scores: Sequence[float]) -> Doc:
    """The same with its entities in a span group that holds scores, as a pipeline makes it."""
    doc.spans["llama_ner"] = list(doc.ents)
    doc.spans["llama_ner"].attrs["scores"] = list(scores)
    return doc
