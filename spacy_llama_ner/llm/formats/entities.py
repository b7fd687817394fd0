"""A list of entities: `{"entities": [{"text": "Ada", "label": "PERSON"}]}`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from spacy.tokens import Doc

from ...data.records import Piece
from ..backends.base import Reject
from .base import ANOTHER_TEXT, BAD_SHAPE, Note, align, object_schema, read_whole_json, require_same

NO_ENTITY = "unusable entity"
LISTS = ("entities", "ents", "labels", "spans", "results")
TEXTS = ("text", "entity", "span", "word", "value", "name")
LABELS = ("label", "type", "tag", "category", "entity_type")


class Entities:
    """Entities by their words, in the order of the text; one that stands there twice is listed twice.

    Other shapes are taken, too: a bare list, pairs of text and label, lists of texts by label. A reply is about
    another text when it repeats one that is not the same, or when more than half of its entities are not in the text;
    an empty list could be about any.
    """

    name = "entities"

    def show(self, doc: Doc) -> str:
        """See `Format.show`."""
        return doc.text

    def render(self, doc: Doc) -> str:
        """See `Format.render`."""
        found = [{"text": ent.text, "label": ent.label_} for ent in doc.ents]
        return json.dumps({"entities": found}, ensure_ascii=False)

    def schema(self, labels: Collection[str]) -> Mapping[str, Any]:
        """See `Format.schema`."""
        entity = object_schema(text={"type": "string"}, label={"type": "string", "enum": list(labels)})
        return object_schema(entities={"type": "array", "items": entity})

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], note: Note) -> list[Piece]:
        """See `Format.parse`."""
        value = read_whole_json(reply)
        if isinstance(value, dict) and isinstance(said := value.get("text"), str) and not value.keys() & {*LABELS}:
            require_same(align(said, doc.text), said)
        pieces = []
        for text, label in _rows(value, labels):
            if isinstance(text, str | int) and isinstance(label, str) and str(text).strip() and label.strip():
                pieces.append(Piece(str(text).strip(), f"B-{label.strip()}"))
            else:
                note(NO_ENTITY, f"{text!r}, {label!r}"[:200])
        own = " ".join(doc.text.split()).casefold()
        foreign = [piece.text for piece in pieces if " ".join(piece.text.split()).casefold() not in own]
        if 2 * len(foreign) > len(pieces):
            raise Reject(ANOTHER_TEXT, f"not in it: {foreign!r}"[:200])
        return pieces


def _rows(value: object, labels: Collection[str]) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        known = {label.casefold() for label in labels}
        lists = [value[name] for name in LISTS if isinstance(value.get(name), list | dict)]
        if lists:
            return _rows(lists[0], labels)
        if any(name in value for name in TEXTS) and any(name in value for name in LABELS):
            return [_row(value)]
        if all(key.casefold() in known for key in value):
            return [(text, key) for key, texts in value.items() for text in _listed(texts)]
        if all(isinstance(label, str) and label.casefold() in known for label in value.values()):
            return list(value.items())
    elif isinstance(value, list):
        return [_row(row) for row in value]
    raise Reject(BAD_SHAPE, repr(value)[:200])


def _row(row: object) -> tuple[object, object]:
    if isinstance(row, dict):
        return _first(row, TEXTS), _first(row, LABELS)
    if isinstance(row, list) and len(row) == 2:
        return row[0], row[1]
    return row, None


def _first(row: dict[str, object], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if name in row), None)


def _listed(texts: object) -> list[object]:
    if texts is None:
        return []
    return texts if isinstance(texts, list) else [texts]
