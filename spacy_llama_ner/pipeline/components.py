"""Which components of a pipeline are of this package."""

from __future__ import annotations

from spacy.language import Language

from .llama_ner import LlamaNER


def find_components(nlp: Language) -> dict[str, LlamaNER]:
    """The active `llama_ner` components by their names, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, LlamaNER)}
