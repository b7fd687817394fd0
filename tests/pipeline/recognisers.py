"""Two recognisers on one base, each with an adapter, a head and a label of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.language import Language
from spacy.training import Example

from tests.pipeline.samples import CORPUS, annotated, learn_by_heart, make_nlp


def make_recogniser(base: Path, label: str, **config: Any) -> Language:
    """A pipeline that knows the entities of the corpus with this label by heart."""
    nlp = make_nlp(base, **config)
    learn_by_heart(nlp, examples_of(nlp, label))
    return nlp


def examples_of(nlp: Language, label: str) -> list[Example]:
    docs = [(nlp.make_doc(text), [piece for piece in pieces if piece[1] == label]) for text, pieces in CORPUS]
    return [Example(doc, annotated(doc, pieces)) for doc, pieces in docs]


def together(folders: dict[str, Path]) -> Language:
    """One pipeline with the recognisers of several, by their new names."""
    nlp = spacy.blank("en")
    for name, folder in folders.items():
        nlp.add_pipe("llama_ner", name=name, source=spacy.load(folder))
    return nlp


def module(nlp: Language, name: str = "llama_ner") -> Any:
    """The torch side of a component's encoder."""
    pipe: Any = nlp.get_pipe(name)
    return pipe.model.get_ref("tok2vec").shims[0].module


def addresses(module: torch.nn.Module, *, trained: bool) -> set[int]:
    """Where the trained parameters of a module lie, or the frozen ones."""
    return {p.data_ptr() for p in module.parameters() if p.requires_grad == trained}
