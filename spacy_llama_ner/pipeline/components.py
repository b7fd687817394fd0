"""Which components of a pipeline are of this package."""

from __future__ import annotations

from spacy.language import Language

from .entity_pipe import EntityPipe
from .llama_ner import LlamaNER


def find_components(nlp: Language) -> dict[str, LlamaNER]:
    """The active `llama_ner` components by their names, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, LlamaNER)}


def find_entity_pipes(nlp: Language) -> dict[str, EntityPipe]:
    """The active components of this package that find entities, by their names, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, EntityPipe)}


def only_component(nlp: Language, *, wanted_by: str) -> LlamaNER:
    """The one active `llama_ner`. wanted_by: who wants it, for the ValueError where there is none or another one."""
    found = list(find_components(nlp).values())
    if len(found) != 1:
        raise ValueError(
            f"{wanted_by} works with one llama_ner component, but the pipeline {nlp.pipe_names} has {len(found)}."
        )
    return found[0]
