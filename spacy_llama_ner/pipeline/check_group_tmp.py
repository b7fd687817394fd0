from __future__ import annotations

from spacy.language import Language

from .recogniser import Recogniser


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
