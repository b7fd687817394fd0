"""Each word with its tag: `{"tags": [["Ada", "B-PERSON"], ["waved", "O"], [".", "O"]]}`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from spacy.tokens import Doc

from ...data.bio_tags import MISSING, doc_tags, split_tag
from ...data.records import Piece
from ..backends.base import Reject
from .base import BAD_SHAPE, OTHER_WORDS, Note, align, object_schema, read_whole_json, require_same

LABEL_FOR_TAG = "label for tag"
WRONG_NUMBER = "wrong number of tags"


class Words:
    """The words of the text in backticks go in, words and their BIO tags come out.

    Tags alone are taken where there are as many as words; words that are not quite those of the text are matched with
    them (repaired). A label without `B-` or `I-` goes on an entity when the word before has the same one (repaired).
    """

    name = "words"

    def show(self, doc: Doc) -> str:
        """See `Format.show`."""
        return " ".join(f"`{token.text}`" for token in doc if not token.is_space)

    def render(self, doc: Doc) -> str:
        """See `Format.render`."""
        pairs = zip(doc, doc_tags(doc), strict=True)
        tags = [[token.text, "O" if tag == MISSING else tag] for token, tag in pairs if not token.is_space]
        return json.dumps({"tags": tags}, ensure_ascii=False)

    def schema(self, labels: Collection[str]) -> Mapping[str, Any]:
        """See `Format.schema`."""
        pair = {"type": "array", "items": {"type": "string"}}
        return object_schema(tags={"type": "array", "items": pair})

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], note: Note) -> list[Piece]:
        """See `Format.parse`."""
        rows = _rows(read_whole_json(reply))
        if rows and all(word is None for word, _ in rows):
            words = [token.text for token in doc if not token.is_space]
            if len(rows) != len(words):
                raise Reject(WRONG_NUMBER, f"{len(rows)} for {len(words)} words")
            rows = [(word, tag) for word, (_, tag) in zip(words, rows, strict=True)]
        given = " ".join(str(word) for word, _ in rows)
        alignment = align(given, doc.text)
        require_same(alignment, given)
        if alignment.similarity < 1:
            note(OTHER_WORDS, repr(given[:200]))
        pieces: list[Piece] = []
        start, before = 0, ""
        for word, tag in rows:
            end = start + len(str(word))
            place = alignment.place(start, end)
            tag, before = _as_tag(tag, before, labels, note)
            if place is not None:
                pieces.append(Piece(doc.text[slice(*place)], tag, place))
            elif split_tag(tag) not in (None, ("O", "")):
                pieces.append(Piece(str(word), tag))
            start = end + 1
        return pieces


def _as_tag(tag: str, before: str, labels: Collection[str], note: Note) -> tuple[str, str]:
    """The tag, and the label for which a bare label behind it would go on."""
    if tag.casefold() not in {label.casefold() for label in labels}:
        parts = split_tag(tag)
        return tag, parts[1].casefold() if parts else ""
    note(LABEL_FOR_TAG, tag)
    return f"{'I' if tag.casefold() == before else 'B'}-{tag}", tag.casefold()


def _rows(value: object) -> list[tuple[str | None, str]]:
    """Pairs of word and tag; the word is None where there are tags only."""
    if isinstance(value, dict) and len(lists := [part for part in value.values() if isinstance(part, list)]) == 1:
        value = lists[0]
    if isinstance(value, dict):
        value = list(value.items())
    if not isinstance(value, list):
        raise Reject(BAD_SHAPE, repr(value)[:200])
    return [_row(row) for row in value]


def _row(row: object) -> tuple[str | None, str]:
    match row:
        case str():
            return None, row.strip()
        case (str() | int() as word, str() as tag):
            return str(word).strip("` "), tag.strip()
        case {"token": str() | int() as word, "tag": str() as tag} | {
            "word": str() | int() as word,
            "tag": str() as tag,
        }:
            return str(word).strip("` "), tag.strip()
    raise Reject(BAD_SHAPE, repr(row)[:200])
