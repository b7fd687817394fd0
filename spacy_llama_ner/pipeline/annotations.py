"""From predicted entities to `doc.ents` and a span group with scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

if TYPE_CHECKING:
    from ..head.inference import Entity

Scored = tuple[Span, float]
# the IOB code of a word that begins an entity, and without a label of one that may be in none
BLOCKED = 3


def annotate(doc: Doc, entities: Iterable[Entity], *, spans_key: str | None, overwrite: bool | None) -> None:
    """Set the entities of `doc`. As everywhere in spaCy, none starts or ends with white space.

    The span group holds what `doc.ents` got from the components that write to it, in order, and the scores, float32.
    With `overwrite` null it holds all of `entities`, and nothing else. With false, words that are blocked
    (`Doc.set_ents`) stay so.
    """
    found = [(span, entity.score) for entity in entities if (span := _trimmed(doc, entity)) is not None]
    if overwrite is None:
        _set_group(doc, spans_key, found)
        return
    kept: Sequence[Span] = [] if overwrite else doc.ents
    blocked = [] if overwrite else _blocked(doc)
    taken = {i for span in [*kept, *blocked] for i in range(span.start, span.end)}
    new = [(span, score) for span, score in found if taken.isdisjoint(range(span.start, span.end))]
    doc.set_ents([*kept, *(span for span, _ in new)], blocked=blocked)
    places = {_place(ent) for ent in kept}
    _set_group(doc, spans_key, [*(old for old in _group(doc, spans_key) if _place(old[0]) in places), *new])


def _blocked(doc: Doc) -> list[Span]:
    """The words of which an earlier component said that no entity may be there, as spans of one word."""
    tags, types = doc.to_array(["ENT_IOB", "ENT_TYPE"]).T
    return [doc[i : i + 1] for i in np.flatnonzero((tags == BLOCKED) & (types == 0)).tolist()]


def _group(doc: Doc, spans_key: str | None) -> list[Scored]:
    if spans_key not in doc.spans:
        return []
    group = doc.spans[spans_key]
    scores = group.attrs.get("scores", ())
    return list(zip(group, map(float, scores), strict=False))


def _set_group(doc: Doc, spans_key: str | None, entries: list[Scored]) -> None:
    if spans_key is None:
        return
    entries = sorted(entries, key=lambda entry: entry[0].start)
    attrs = {"scores": np.asarray([score for _, score in entries], dtype="float32")}
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=[span for span, _ in entries], attrs=attrs)


def _place(span: Span) -> tuple[int, int, int]:
    return span.start, span.end, span.label


def _trimmed(doc: Doc, entity: Entity) -> Span | None:
    start, end = entity.start, entity.end
    while start < end and doc[start].is_space:
        start += 1
    while start < end and doc[end - 1].is_space:
        end -= 1
    return Span(doc, start, end, label=entity.label) if start < end else None
