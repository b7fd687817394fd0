"""A small corpus, and pipelines over a tiny Llama that learn it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed

LABELS = ["DATE", "NAME"]
CORPUS = [
    ("Ask Mia Brook about the boat on Friday", [("Mia Brook", "NAME"), ("Friday", "DATE")]),
    ("Omar needs a lift on Monday", [("Omar", "NAME"), ("Monday", "DATE")]),
    ("the printer is out of paper again", []),
    ("On Friday Mia Brook met Omar", [("Friday", "DATE"), ("Mia Brook", "NAME"), ("Omar", "NAME")]),
    ("please water the plants", []),
]


def make_nlp(
    base: Path, *, name: str = "llama_ner", tok2vec: dict[str, Any] | None = None, **config: Any
) -> Language:
    """An untrained English pipeline over the Llama in `base`."""
    nlp = spacy.blank("en")
    encoder = {
        "base": str(base),
        "dtype": "float32",
        "window": 64,
        "stride": 48,
        "lora": {"rank": 4, "alpha": 8},
        **(tok2vec or {}),
    }
    nlp.add_pipe("llama_ner", name=name, config={"model": {"tok2vec": encoder}, **config})
    return nlp


def annotated(doc: Doc, pieces: list[tuple[str, str]]) -> Doc:
    """A copy of `doc` whose entities are these pieces of its text."""
    gold = doc.copy()
    starts = [(doc.text.index(piece), piece, label) for piece, label in pieces]
    spans = [gold.char_span(start, start + len(piece), label=label) for start, piece, label in starts]
    gold.set_ents([span for span in spans if span is not None], default="outside")
    return gold


def make_examples(nlp: Language) -> list[Example]:
    docs = [(nlp.make_doc(text), pieces) for text, pieces in CORPUS]
    return [Example(doc, annotated(doc, pieces)) for doc, pieces in docs]


def train(nlp: Language, examples: list[Example], *, steps: int, learn_rate: float = 0.01) -> list[dict[str, float]]:
    """Initialize, take `steps` steps over all examples, and give the losses of each."""
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    return [nlp.update(examples, sgd=optimizer) for _ in range(steps)]


def learn_by_heart(nlp: Language, examples: list[Example], *, learn_rate: float = 0.01) -> list[dict[str, float]]:
    """Initialize and take steps until the loss is a fiftieth of the first, twice in a row; give the losses of each.

    How many steps that takes differs between machines, which add up in different orders.
    """
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    losses: list[dict[str, float]] = []
    for _ in range(300):
        losses.append(nlp.update(examples, sgd=optimizer))
        if max(step["llama_ner"] for step in losses[-2:]) < losses[0]["llama_ner"] / 50:
            return losses
    raise AssertionError(f"Did not learn its examples: {losses[0]} became {losses[-1]}")


def write_corpus(path: Path, nlp: Language) -> Path:
    DocBin(docs=[eg.reference for eg in make_examples(nlp)], store_user_data=False).to_disk(path)
    return path


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def scores(doc: Doc, key: str = "llama_ner") -> list[float]:
    return [float(score) for score in doc.spans[key].attrs["scores"]]
