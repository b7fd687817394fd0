"""From predicted entities to `doc.ents` and a span group with scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

if TYPE_CHECKING:
    from ..head.tagging import Entity


def annotate(doc: Doc, entities: Iterable[Entity], *, spans_key: str | None, overwrite: bool) -> None:
    """Set the entities of `doc`. As everywhere in spaCy, none starts or ends with white space.

    The span group holds the predictions that `doc.ents` got, in order, and their scores, float32.
    """
    kept = [] if overwrite else list(doc.ents)
    taken = {i for ent in kept for i in range(ent.start, ent.end)}
    spans, scores = [], []
    for entity in entities:
        span = _trimmed(doc, entity)
        if span is not None and taken.isdisjoint(range(span.start, span.end)):
            spans.append(span)
            scores.append(entity.score)
    doc.set_ents([*kept, *spans])
    if spans_key is not None:
        attrs = {"scores": np.asarray(scores, dtype="float32")}
        doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=spans, attrs=attrs)


def _trimmed(doc: Doc, entity: Entity) -> Span | None:
    start, end = entity.start, entity.end
    while start < end and doc[start].is_space:
        start += 1
    while start < end and doc[end - 1].is_space:
        end -= 1
    return Span(doc, start, end, label=entity.label) if start < end else None
