"""Which components of a pipeline are of this package."""

from __future__ import annotations

from spacy.language import Language

from .llama_ner import LlamaNER
from .recogniser import Recogniser


def find_components(nlp: Language) -> dict[str, LlamaNER]:
    """The active `llama_ner` components by their names, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, LlamaNER)}


def find_recognisers(nlp: Language) -> dict[str, Recogniser]:
    """The active components of this package that find entities, by their names, in the order of the pipeline."""
    return {name: pipe for name, pipe in nlp.pipeline if isinstance(pipe, Recogniser)}


def only_component(nlp: Language, *, wanted_by: str) -> LlamaNER:
    """The one active `llama_ner`. wanted_by: who wants it, for the ValueError where there is none or another one."""
    found = list(find_components(nlp).values())
    if len(found) != 1:
        raise ValueError(
            f"{wanted_by} works with one llama_ner component, but the pipeline {nlp.pipe_names} has {len(found)}."
        )
    return found[0]


def check_group(nlp: Language, name: str, *, spans_key: str | None, overwrite: bool | None) -> None:
    """Raise ValueError where a new component and one that is there would wipe out each other's span group."""
    if overwrite is None and spans_key is None:
        raise ValueError(
            f"{name!r} has overwrite = null, which leaves `doc.ents` alone, and spans_key = null: it would say "
            "nothing. Name a span group, or set overwrite to true or false."
        )
    for other, pipe in nlp.components:
        if not isinstance(pipe, Recogniser) or other == name or pipe.spans_key != spans_key or spans_key is None:
            continue
        if overwrite is None or pipe.overwrite is None:
            raise ValueError(
                f"{name!r} and {other!r} both write to the span group {spans_key!r}. One of them has overwrite = "
                "null and needs a group of its own: give them different values of `spans_key`."
            )
