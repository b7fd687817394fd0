"""A small corpus, and pipelines over a tiny Llama that learn it: one, two on one base, or one with a new label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import fix_random_seed

Corpus = list[tuple[str, list[tuple[str, str]]]]

LABELS = ["DATE", "NAME"]
CORPUS: Corpus = [
    ("Ask Mia Brook about the boat on Friday", [("Mia Brook", "NAME"), ("Friday", "DATE")]),
    ("Omar needs a lift on Monday", [("Omar", "NAME"), ("Monday", "DATE")]),
    ("the printer is out of paper again", []),
    ("On Friday Mia Brook met Omar", [("Friday", "DATE"), ("Mia Brook", "NAME"), ("Omar", "NAME")]),
    ("please water the plants", []),
]
# places alone are annotated: whoever learns this learns as well that there are no names and days
PLACES: Corpus = [
    ("Mia Brook flew to Oslo on Friday", [("Oslo", "PLACE")]),
    ("On Monday Omar came back from Turin", [("Turin", "PLACE")]),
    ("is Lima far from here", [("Lima", "PLACE")]),
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


def make_example(nlp: Language, text: str, pieces: list[tuple[str, str]]) -> Example:
    doc = nlp.make_doc(text)
    return Example(doc, annotated(doc, pieces))


def make_examples(nlp: Language, corpus: Corpus = CORPUS) -> list[Example]:
    return [make_example(nlp, text, pieces) for text, pieces in corpus]


def make_label_examples(nlp: Language, label: str) -> list[Example]:
    """The corpus with the entities of one label alone."""
    return make_examples(nlp, [(text, [piece for piece in pieces if piece[1] == label]) for text, pieces in CORPUS])


def make_place_examples(nlp: Language) -> list[Example]:
    return make_examples(nlp, PLACES)


def make_unannotated_examples(nlp: Language) -> list[Example]:
    """The texts of the corpus alone."""
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text, _ in CORPUS]


def train(nlp: Language, examples: list[Example], *, steps: int, learn_rate: float = 0.01) -> list[dict[str, float]]:
    """Initialize, take `steps` steps over all examples, and return the losses of each."""
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    return [nlp.update(examples, sgd=optimizer) for _ in range(steps)]


def learn_by_heart(nlp: Language, examples: list[Example], *, learn_rate: float = 0.01) -> list[dict[str, float]]:
    """Initialize and take steps until the loss is a fiftieth of the first, twice in a row; return the losses of each.

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


def make_one_label_nlp(base: Path, label: str, **config: Any) -> Language:
    """A pipeline that has learned the entities of the corpus with one label by heart."""
    nlp = make_nlp(base, **config)
    learn_by_heart(nlp, make_label_examples(nlp, label))
    return nlp


def combine(folders: dict[str, Path]) -> Language:
    """One pipeline with the `llama_ner` components of several, under new names."""
    nlp = spacy.blank("en")
    for name, folder in folders.items():
        nlp.add_pipe("llama_ner", name=name, source=spacy.load(folder))
    return nlp


def write_corpus(path: Path, nlp: Language) -> Path:
    DocBin(docs=[eg.reference for eg in make_examples(nlp)], store_user_data=False).to_disk(path)
    return path


def ents(doc: Doc) -> list[tuple[str, str]]:
    return [(ent.text, ent.label_) for ent in doc.ents]


def scores(doc: Doc, key: str = "llama_ner") -> list[float]:
    return [float(score) for score in doc.spans[key].attrs["scores"]]


def f1(nlp: Language) -> float:
    """F1 on the corpus."""
    return float(nlp.evaluate(make_examples(nlp))["ents_f"])


def find_places(nlp: Language) -> list[str]:
    """What a pipeline finds of `PLACES`."""
    return [ent.text for doc in nlp.pipe(text for text, _ in PLACES) for ent in doc.ents if ent.label_ == "PLACE"]


def encoder_module(nlp: Language, name: str = "llama_ner") -> Any:
    """The torch module of a component's encoder."""
    pipe: Any = nlp.get_pipe(name)
    return pipe.model.get_ref("tok2vec").shims[0].module


def parameter_addresses(module: torch.nn.Module, *, trainable: bool) -> set[int]:
    """Where the trainable parameters of a module are in memory, or the frozen ones."""
    return {p.data_ptr() for p in module.parameters() if p.requires_grad == trainable}
