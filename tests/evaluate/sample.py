"""A quick pipeline with known errors, and gold data for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.training import Example

PATTERNS = [
    {"label": "NAME", "pattern": "Ida Holm"},
    {"label": "NAME", "pattern": "Tomas"},
    {"label": "DATE", "pattern": "Friday"},
    {"label": "DATE", "pattern": "noon"},
]
# text and gold entities; the ruler gets the first right, finds nothing in the second, and "noon" is a TIME
GOLD = [
    ("Call Ida Holm on Friday.", [("Ida Holm", "NAME"), ("Friday", "DATE")]),
    ("Write to ida@holm.example, please.", [("ida@holm.example", "EMAIL")]),
    ("Wake Tomas at noon!", [("Tomas", "NAME"), ("noon", "TIME")]),
    ("Is it going to rain?", []),
]


def make_ruler() -> Language:
    """A blank pipeline whose entities come from `PATTERNS`."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    return nlp


def gold_doc(nlp: Language, text: str, ents: list[tuple[str, str]]) -> Doc:
    """A doc with gold entities; every other word is outside."""
    doc = nlp.make_doc(text)
    spans = [doc.char_span(text.index(piece), text.index(piece) + len(piece), label=label) for piece, label in ents]
    doc.set_ents(spans)
    return doc


def write_corpus(path: Path, gold: list[tuple[str, list[tuple[str, str]]]] = GOLD) -> Path:
    """Write `gold` to `path` as a DocBin."""
    nlp = spacy.blank("en")
    DocBin(docs=[gold_doc(nlp, text, ents) for text, ents in gold]).to_disk(path)
    return path


def make_example(
    nlp: Language,
    text: str,
    *,
    gold: list[tuple[str, str]],
    predicted: list[tuple[str, str]],
    scores: list[float] | None = None,
) -> Example:
    """Gold and predicted entities on one text, with scores of the predictions where given."""
    doc = gold_doc(nlp, text, predicted)
    if scores is not None:
        attrs = {"scores": np.asarray(scores, dtype="float32")}
        doc.spans["llama_ner"] = SpanGroup(doc, name="llama_ner", spans=list(doc.ents), attrs=attrs)
    return Example(doc, gold_doc(nlp, text, gold))
