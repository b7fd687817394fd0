"""The text again with each entity in brackets, as in `[Ada](PERSON) moved to [Paris](PLACE).`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from spacy.tokens import Doc

from ...data.records import TaggedPiece
from .base import OTHER_WORDS, OnRepair, ReplyAlignment, align_reply, require_same_text
from .lenient_json import FENCED, without_thoughts

NO_WORDS = "mark around nothing"
# from this similarity on, what differs is a slip of the model and not talk around the text
NEARLY_SAME = 0.9
LABEL = re.compile(r"\]\s?\(\s*([^()\[\]\n]{1,60}?)\s*\)")


class InlineMark(NamedTuple):
    """An entity that was marked in a text.

    Attributes:
        start: First character, in the text without marks.
        end: The character behind the last one.
        label: What stood in the round brackets.
    """

    start: int
    end: int
    label: str


class BracketsFormat:
    """Inline marks that look like links of Markdown, see `PromptFormat`.

    * Of marks inside marks all are read; the outer one comes first and wins.
    * `[words](not a label)` is no mark where the text itself has it.
    * Where the words are not quite those of the text, marks are moved to the words that match (repaired). What stands
      around the text, such as "Here it is:", is ignored when it has lines of its own.
    """

    name = "brackets"

    def format_text(self, doc: Doc) -> str:
        """See `PromptFormat.format_text`."""
        return doc.text

    def format_reply(self, doc: Doc) -> str:
        """See `PromptFormat.format_reply`."""
        marked, end = "", 0
        for ent in doc.ents:
            marked += f"{doc.text[end : ent.start_char]}[{ent.text}]({ent.label_})"
            end = ent.end_char
        return marked + doc.text[end:]

    def schema(self, labels: Collection[str]) -> None:
        """See `PromptFormat.schema`."""

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], on_repair: OnRepair) -> list[TaggedPiece]:
        """See `PromptFormat.parse`."""
        plain, marks, alignment = _find_text(without_thoughts(reply), doc.text, labels)
        require_same_text(alignment, plain)
        if alignment.similarity < 1:
            on_repair(OTHER_WORDS, repr(plain[:200]))
        pieces = []
        for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
            words = plain[mark.start : mark.end]
            span = alignment.text_span(mark.start, mark.end)
            if not words.strip():
                on_repair(NO_WORDS, f"[{words}]({mark.label})")
            elif span is None:
                pieces.append(TaggedPiece(words, f"B-{mark.label}"))
            else:
                pieces.append(TaggedPiece(doc.text[slice(*span)], f"B-{mark.label}", span))
        return pieces


def _find_text(reply: str, text: str, labels: Collection[str]) -> tuple[str, list[InlineMark], ReplyAlignment]:
    """Find the part of a reply that is most like the text, and read its marks."""

    def read_part(part: str) -> tuple[str, list[InlineMark], ReplyAlignment]:
        plain, marks = read_marks(part, text=text, labels=labels)
        return plain, marks, align_reply(plain, text)

    best = read_part(reply)
    for parts in (FENCED.findall(reply), reply.split("\n\n"), reply.splitlines()):
        for part in parts:
            if best[2].similarity >= NEARLY_SAME:
                return best
            best = max(best, read_part(part), key=lambda found: found[2].similarity)
    return best


def read_marks(marked: str, *, text: str | None, labels: Collection[str]) -> tuple[str, list[InlineMark]]:
    """Take the marks out of a marked text.

    Args:
        marked: The text with marks.
        text: What the text without marks should be, to tell its own brackets from marks; None where it is not known.
        labels: Those that were asked for, in any case.

    Returns:
        The text without marks, and the marks.
    """
    known = {label.casefold() for label in labels}
    plain: list[str] = []
    marks: list[InlineMark] = []
    opened: list[tuple[int, int]] = []
    at = 0
    while at < len(marked):
        found = LABEL.match(marked, at) if opened and marked[at] == "]" else None
        in_text = text is not None and found is not None and marked[opened[-1][1] : found.end()] in text
        if found is not None and (found[1].casefold() in known or not in_text):
            start, _ = opened.pop()
            del plain[start]
            marks = [InlineMark(m.start - 1, m.end - 1, m.label) if m.start > start else m for m in marks]
            marks.append(InlineMark(start, len(plain), found[1]))
            at = found.end()
            continue
        if marked[at] == "[":
            opened.append((len(plain), at))
        elif marked[at] == "]" and opened:
            opened.pop()
        plain.append(marked[at])
        at += 1
    return "".join(plain), marks
