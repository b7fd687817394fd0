"""Solved examples for prompts, from gold docs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from spacy.tokens import Doc

from .labeller import ExamplesFor


class ExampleError(ValueError):
    """Gold docs that no example can be taken from."""


def keep_labels(docs: Iterable[Doc], labels: Collection[str]) -> list[Doc]:
    """`docs` with entities of these labels alone. Raises: ExampleError where none is left."""
    kept = []
    for doc in docs:
        doc.set_ents([ent for ent in doc.ents if ent.label_ in labels])
        kept.append(doc)
    if not any(doc.ents for doc in kept):
        raise ExampleError(f"The examples have no entity with one of the labels {', '.join(labels)}. Give others.")
    return kept


def fixed_examples(pool: Sequence[Doc], shots: int) -> ExamplesFor:
    """The same examples for every text, but for the text itself.

    First come docs with a label that those before them have not, then others with entities, each in their order.
    """
    chosen: list[Doc] = []
    rest = [doc for doc in pool if doc.ents]
    seen: set[str] = set()
    for doc in rest:
        if len(chosen) < shots and not {ent.label_ for ent in doc.ents} <= seen:
            chosen.append(doc)
            seen |= {ent.label_ for ent in doc.ents}
    chosen += [doc for doc in rest if doc not in chosen][: shots - len(chosen)]
    return lambda text: [doc for doc in chosen if doc.text != text.text]
