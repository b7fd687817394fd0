"""From predicted entities to `doc.ents` and a span group with scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

if TYPE_CHECKING:
    from ..head.inference import Entity

ScoredSpan: TypeAlias = tuple[Span, float]
# the IOB code of a word that begins an entity, or, if it has no label, that is blocked
IOB_BEGIN = 3


def set_entities(doc: Doc, entities: Iterable[Entity], *, spans_key: str | None, overwrite: bool | None) -> None:
    """Set the entities of a doc, and the span group with their scores.

    White space at the edges of an entity is cut off, as everywhere in spaCy. The scores are the float32 array
    `doc.spans[spans_key].attrs["scores"]`.

    Args:
        doc: The doc.
        entities: The entities that were predicted.
        spans_key: The span group; None for none. It holds those of `doc.ents` that components which write to it have
            set, in order. If `overwrite` is None, it holds all of `entities`, and nothing else.
        overwrite: Whether `entities` replace all that the doc already has. With False, these stay, as do words that
            are blocked (`Doc.set_ents`), and predictions that overlap with either are left out. With None, `doc.ents`
            does not change.
    """
    found = [(span, entity.score) for entity in entities if (span := _trimmed_span(doc, entity)) is not None]
    if overwrite is None:
        _set_group(doc, spans_key, found)
        return
    kept: Sequence[Span] = [] if overwrite else doc.ents
    blocked = [] if overwrite else _blocked_words(doc)
    taken = {i for span in [*kept, *blocked] for i in range(span.start, span.end)}
    new = [(span, score) for span, score in found if taken.isdisjoint(range(span.start, span.end))]
    doc.set_ents([*kept, *(span for span, _ in new)], blocked=blocked)
    places = {(ent.start, ent.end, ent.label) for ent in kept}
    old = [each for each in _group(doc, spans_key) if (each[0].start, each[0].end, each[0].label) in places]
    _set_group(doc, spans_key, [*old, *new])


def _trimmed_span(doc: Doc, entity: Entity) -> Span | None:
    start, end = entity.start, entity.end
    while start < end and doc[start].is_space:
        start += 1
    while start < end and doc[end - 1].is_space:
        end -= 1
    return Span(doc, start, end, label=entity.label) if start < end else None


def _blocked_words(doc: Doc) -> list[Span]:
    """The words that an earlier component has blocked for entities, as spans of one word."""
    tags, types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).T
    return [doc[i : i + 1] for i in np.flatnonzero((tags == IOB_BEGIN) & (types == 0)).tolist()]


def _group(doc: Doc, spans_key: str | None) -> list[ScoredSpan]:
    if spans_key not in doc.spans:
        return []
    group = doc.spans[spans_key]
    scores = group.attrs.get("scores", ())
    return list(zip(group, map(float, scores), strict=False))


def _set_group(doc: Doc, spans_key: str | None, spans: list[ScoredSpan]) -> None:
    if spans_key is None:
        return
    spans = sorted(spans, key=lambda scored: scored[0].start)
    attrs = {"scores": np.asarray([score for _, score in spans], dtype="float32")}
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=[span for span, _ in spans], attrs=attrs)
