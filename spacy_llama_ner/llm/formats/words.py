"""Each word with its tag: `{"tags": [["Ada", "B-PERSON"], ["waved", "O"], [".", "O"]]}`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from spacy.tokens import Doc

from ...data.bio_tags import MISSING, doc_tags, split_tag
from ...data.records import TaggedPiece
from ..backends.base import RejectedReplyError
from .base import BAD_SHAPE, OTHER_WORDS, OnRepair, align_reply, object_schema, read_complete_json, require_same_text

LABEL_FOR_TAG = "label for tag"
WRONG_NUMBER = "wrong number of tags"


class WordsFormat:
    """Words with BIO tags, see `PromptFormat`; the model sees the words of the text in backticks.

    Tags alone are read where there are as many as words; words that are not quite those of the text are aligned with
    them (repaired). A label without `B-` or `I-` continues an entity when the word before has the same label
    (repaired).
    """

    name = "words"

    def format_text(self, doc: Doc) -> str:
        """See `PromptFormat.format_text`."""
        return " ".join(f"`{token.text}`" for token in doc if not token.is_space)

    def format_reply(self, doc: Doc) -> str:
        """See `PromptFormat.format_reply`."""
        pairs = zip(doc, doc_tags(doc), strict=True)
        tags = [[token.text, "O" if tag == MISSING else tag] for token, tag in pairs if not token.is_space]
        return json.dumps({"tags": tags}, ensure_ascii=False)

    def schema(self, labels: Collection[str]) -> Mapping[str, Any]:
        """See `PromptFormat.schema`."""
        pair = {"type": "array", "items": {"type": "string"}}
        return object_schema(tags={"type": "array", "items": pair})

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], on_repair: OnRepair) -> list[TaggedPiece]:
        """See `PromptFormat.parse`."""
        rows = _rows(read_complete_json(reply))
        if rows and all(word is None for word, _ in rows):
            words = [token.text for token in doc if not token.is_space]
            if len(rows) != len(words):
                raise RejectedReplyError(WRONG_NUMBER, f"{len(rows)} for {len(words)} words")
            rows = [(word, tag) for word, (_, tag) in zip(words, rows, strict=True)]
        repeated = " ".join(str(word) for word, _ in rows)
        alignment = align_reply(repeated, doc.text)
        require_same_text(alignment, repeated)
        if alignment.similarity < 1:
            on_repair(OTHER_WORDS, repr(repeated[:200]))
        pieces: list[TaggedPiece] = []
        start, previous_label = 0, ""
        for word, tag in rows:
            end = start + len(str(word))
            span = alignment.text_span(start, end)
            tag, previous_label = _as_tag(tag, previous_label, labels, on_repair)
            if span is not None:
                pieces.append(TaggedPiece(doc.text[slice(*span)], tag, span))
            elif split_tag(tag) not in (None, ("O", "")):
                pieces.append(TaggedPiece(str(word), tag))
            start = end + 1
        return pieces


def _as_tag(tag: str, previous_label: str, labels: Collection[str], on_repair: OnRepair) -> tuple[str, str]:
    """Return the tag, made of a bare label if need be, and its label in lower case."""
    if tag.casefold() not in {label.casefold() for label in labels}:
        parts = split_tag(tag)
        return tag, parts[1].casefold() if parts else ""
    on_repair(LABEL_FOR_TAG, tag)
    return f"{'I' if tag.casefold() == previous_label else 'B'}-{tag}", tag.casefold()


def _rows(value: object) -> list[tuple[str | None, str]]:
    """Return pairs of word and tag; the word is None where there are tags only."""
    if isinstance(value, dict) and len(lists := [part for part in value.values() if isinstance(part, list)]) == 1:
        value = lists[0]
    if isinstance(value, dict):
        value = list(value.items())
    if not isinstance(value, list):
        raise RejectedReplyError(BAD_SHAPE, repr(value)[:200])
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
    raise RejectedReplyError(BAD_SHAPE, repr(row)[:200])
