"""A list of entities: `{"entities": [{"text": "Ada", "label": "PERSON"}]}`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from spacy.tokens import Doc

from ...data.records import TaggedPiece
from ..backends.base import RejectedReplyError
from .base import BAD_SHAPE, OTHER_TEXT, OnRepair, align_reply, object_schema, read_complete_json, require_same_text

BAD_ENTITY = "unusable entity"
# keys that models use for the list, for an entity's words and for its label
LIST_KEYS = ("entities", "ents", "labels", "spans", "results")
TEXT_KEYS = ("text", "entity", "span", "word", "value", "name")
LABEL_KEYS = ("label", "type", "tag", "category", "entity_type")


class EntitiesFormat:
    """Entities by their words, in the order of the text, see `PromptFormat`. One that occurs twice is listed twice.

    Other shapes are read, too: a bare list, pairs of text and label, lists of texts by label. A reply is about
    another text when it repeats one that is not the same, or when more than half of its entities are not in the text;
    an empty list could be about any.
    """

    name = "entities"

    def format_text(self, doc: Doc) -> str:
        """See `PromptFormat.format_text`."""
        return doc.text

    def format_reply(self, doc: Doc) -> str:
        """See `PromptFormat.format_reply`."""
        entities = [{"text": ent.text, "label": ent.label_} for ent in doc.ents]
        return json.dumps({"entities": entities}, ensure_ascii=False)

    def schema(self, labels: Collection[str]) -> Mapping[str, Any]:
        """See `PromptFormat.schema`."""
        entity = object_schema(text={"type": "string"}, label={"type": "string", "enum": list(labels)})
        return object_schema(entities={"type": "array", "items": entity})

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], on_repair: OnRepair) -> list[TaggedPiece]:
        """See `PromptFormat.parse`."""
        value = read_complete_json(reply)
        if isinstance(value, dict):
            repeated = value.get("text")
            if isinstance(repeated, str) and not value.keys() & {*LABEL_KEYS}:
                require_same_text(align_reply(repeated, doc.text), repeated)
        pieces = []
        for text, label in _rows(value, labels):
            if isinstance(text, str | int) and isinstance(label, str) and str(text).strip() and label.strip():
                pieces.append(TaggedPiece(str(text).strip(), f"B-{label.strip()}"))
            else:
                on_repair(BAD_ENTITY, f"{text!r}, {label!r}"[:200])
        own = " ".join(doc.text.split()).casefold()
        foreign = [piece.text for piece in pieces if " ".join(piece.text.split()).casefold() not in own]
        if 2 * len(foreign) > len(pieces):
            raise RejectedReplyError(OTHER_TEXT, f"not in it: {foreign!r}"[:200])
        return pieces


def _rows(value: object, labels: Collection[str]) -> list[tuple[object, object]]:
    """Return pairs of text and label, whatever their shape. Raises RejectedReplyError for an unknown shape."""
    if isinstance(value, dict):
        known = {label.casefold() for label in labels}
        lists = [value[name] for name in LIST_KEYS if isinstance(value.get(name), list | dict)]
        if lists:
            return _rows(lists[0], labels)
        if any(name in value for name in TEXT_KEYS) and any(name in value for name in LABEL_KEYS):
            return [_row(value)]
        if all(key.casefold() in known for key in value):
            return [(text, key) for key, texts in value.items() for text in _as_list(texts)]
        if all(isinstance(label, str) and label.casefold() in known for label in value.values()):
            return list(value.items())
    elif isinstance(value, list):
        return [_row(row) for row in value]
    raise RejectedReplyError(BAD_SHAPE, repr(value)[:200])


def _row(row: object) -> tuple[object, object]:
    if isinstance(row, dict):
        return _first_of(row, TEXT_KEYS), _first_of(row, LABEL_KEYS)
    if isinstance(row, list) and len(row) == 2:
        return row[0], row[1]
    return row, None


def _first_of(row: dict[str, object], keys: tuple[str, ...]) -> object:
    return next((row[key] for key in keys if key in row), None)


def _as_list(texts: object) -> list[object]:
    if texts is None:
        return []
    return texts if isinstance(texts, list) else [texts]
