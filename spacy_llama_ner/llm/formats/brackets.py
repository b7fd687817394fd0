"""The text again with each entity in brackets, as in `[Ada](PERSON) moved to [Paris](PLACE).`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from spacy.tokens import Doc

from ...data.records import Piece
from .base import OTHER_WORDS, Alignment, Note, align, require_same
from .loose_json import FENCED, without_thoughts

NO_WORDS = "mark around nothing"
# above this similarity, what is not the same is a slip, and no talk around the text
SLIP = 0.9
LABEL = re.compile(r"\]\s?\(\s*([^()\[\]\n]{1,60}?)\s*\)")


@dataclass(frozen=True)
class _Mark:
    start: int
    end: int
    label: str


class Brackets:
    """Inline marks, as in links of Markdown.

    * Marks inside marks: all are read; the outer one, which is put first, wins.
    * `[words](what is no label)` that stands in the text itself is no mark.
    * Where the words are not quite those of the text, marks are moved to the words that match (repaired). What stands
      around the text, such as "Here it is:", is passed over when it has lines of its own.
    """

    name = "brackets"

    def show(self, doc: Doc) -> str:
        """See `Format.show`."""
        return doc.text

    def render(self, doc: Doc) -> str:
        """See `Format.render`."""
        marked, end = "", 0
        for ent in doc.ents:
            marked += f"{doc.text[end : ent.start_char]}[{ent.text}]({ent.label_})"
            end = ent.end_char
        return marked + doc.text[end:]

    def schema(self, labels: Collection[str]) -> None:
        """See `Format.schema`."""

    def parse(self, reply: str, doc: Doc, *, labels: Collection[str], note: Note) -> list[Piece]:
        """See `Format.parse`."""
        plain, marks, alignment = self._best(without_thoughts(reply), doc.text, labels)
        require_same(alignment, plain)
        if alignment.similarity < 1:
            note(OTHER_WORDS, repr(plain[:200]))
        pieces = []
        for mark in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
            words = plain[mark.start : mark.end]
            place = alignment.place(mark.start, mark.end)
            if not words.strip():
                note(NO_WORDS, f"[{words}]({mark.label})")
            elif place is None:
                pieces.append(Piece(words, f"B-{mark.label}"))
            else:
                pieces.append(Piece(doc.text[slice(*place)], f"B-{mark.label}", place))
        return pieces

    def _best(self, reply: str, text: str, labels: Collection[str]) -> tuple[str, list[_Mark], Alignment]:
        """The part of the reply that is most like the text, without its marks."""
        best = self._compare(reply, text, labels)
        for parts in (FENCED.findall(reply), reply.split("\n\n"), reply.splitlines()):
            for part in parts:
                if best[2].similarity >= SLIP:
                    return best
                best = max(best, self._compare(part, text, labels), key=lambda found: found[2].similarity)
        return best

    def _compare(self, part: str, text: str, labels: Collection[str]) -> tuple[str, list[_Mark], Alignment]:
        plain, marks = unmark(part, text=text, labels=labels)
        return plain, marks, align(plain, text)


def unmark(marked: str, *, text: str | None, labels: Collection[str]) -> tuple[str, list[_Mark]]:
    """The plain text and the marks that were in it, with their places in the plain text.

    text: what the plain text should be, to tell its own brackets from marks; None where it is not known.
    """
    known = {label.casefold() for label in labels}
    plain: list[str] = []
    marks: list[_Mark] = []
    opened: list[tuple[int, int]] = []
    at = 0
    while at < len(marked):
        found = LABEL.match(marked, at) if opened and marked[at] == "]" else None
        own = text is not None and found is not None and marked[opened[-1][1] : found.end()] in text
        if found is not None and (found[1].casefold() in known or not own):
            start, _ = opened.pop()
            del plain[start]
            marks = [_Mark(m.start - 1, m.end - 1, m.label) if m.start > start else m for m in marks]
            marks.append(_Mark(start, len(plain), found[1]))
            at = found.end()
            continue
        if marked[at] == "[":
            opened.append((len(plain), at))
        elif marked[at] == "]" and opened:
            opened.pop()
        plain.append(marked[at])
        at += 1
    return "".join(plain), marks
