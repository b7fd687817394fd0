"""Tagged pieces of a text, clean or not, put into its Doc as entities.

What becomes of dirt (each case is reported with the number of its record):

| problem | what is done |
| --- | --- |
| unknown tag; label not allowed | the piece is rejected |
| piece not in text | the piece is rejected |
| duplicate piece: its places are taken, one by the same piece and label | the piece is rejected |
| overlap: its places are taken by other pieces, or a token of it by an earlier entity | it is rejected |
| other case or white space than the text | repaired: the text's own spelling is marked |
| out of order: found only before the piece in front of it | repaired: it is marked there |
| wrong offsets: they do not hold the piece | repaired: the piece is looked for |
| I- without B-: no entity of that label before it, or too much between (`pieces.GAP`) | it starts one |
| cut token: an entity starts or ends inside a token | repaired: it grows to whole tokens |

An `I-` piece that goes on an entity makes it longer, and what lies between the two belongs to it. A rejected
`B-` piece ends the entity before it, so that its own `I-` pieces do not join that. An `O` piece marks
nothing, but moves the search on. Pieces that are rejected leave the rest of their record in use.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from spacy.tokens import Doc, Span

from . import pieces as locate
from .records import Piece, continuations
from .report import Report
from .tags import LOST_START, UNKNOWN_LABEL, UNKNOWN_TAG, split_tag, starts_entity

NOT_IN_TEXT = "piece not in text"
DUPLICATE = "duplicate piece"
OVERLAP = "overlap"
LOOSE = "other case or white space"
OUT_OF_ORDER = "out of order"
BAD_OFFSETS = "wrong offsets"
CUT_TOKEN = "cut token"


@dataclass
class _Entity:
    start: int
    end: int
    label: str


def put_pieces(
    doc: Doc, pieces: list[Piece], *, at: int, report: Report, labels: Collection[str] | None = None
) -> Doc:
    """Set the entities of `doc` to what `pieces`, in their order, say, and give it back.

    at: number of the record, for `report`, which gets the problems.
    labels: those that are allowed; None allows all.
    """
    return _Annotator(doc, at, report).annotate(pieces, labels)


class _Annotator:
    """Puts the pieces of one record into its Doc."""

    def __init__(self, doc: Doc, at: int, report: Report) -> None:
        self.doc = doc
        self.at = at
        self.report = report
        self.locator = locate.Locator(doc)
        self.placed: set[tuple[int, int, str]] = set()

    def annotate(self, pieces: list[Piece], labels: Collection[str] | None) -> Doc:
        entities: list[_Entity] = []
        current: _Entity | None = None
        for i, piece in enumerate(pieces):
            parts = split_tag(piece.tag)
            if parts is None or (parts[1] and labels is not None and parts[1] not in labels):
                self._reject(piece, UNKNOWN_TAG if parts is None else UNKNOWN_LABEL)
                current = None
                continue
            prefix, label = parts
            starts = starts_entity(prefix)
            goes_on = not starts and current is not None and current.label == label
            then = continuations(pieces[i + 1 :], label) if starts else []
            match = self._place(piece, label, goes_on=goes_on, then=then)
            if match is None:
                current = None if starts else current
            elif prefix == "O":
                current = None
            elif goes_on and current is not None and self._joins(current, match):
                current.end = match.end
            else:
                if not starts:
                    self._repair(piece, LOST_START, f"starts an entity at character {match.start}")
                current = _Entity(match.start, match.end, label)
                entities.append(current)
        self.doc.ents = self._on_tokens(entities)
        return self.doc

    def _place(self, piece: Piece, label: str, *, goes_on: bool, then: list[str]) -> locate.Match | None:
        text = piece.text.strip()
        claimed = self._claimed(piece)
        match = claimed or self.locator.find(text, goes_on=goes_on, then=then)
        if match is None or not self.locator.is_free(match.start, match.end):
            self._reject(piece, self._why_not(text, label))
            return None
        if piece.offsets is not None and claimed is None:
            self._repair(piece, BAD_OFFSETS, f"offsets {piece.offsets} hold another text; found at {match.start}")
        if match.loose:
            self._repair(piece, LOOSE, f"marked as {self.doc.text[match.start : match.end]!r}")
        if match.out_of_order:
            self._repair(piece, OUT_OF_ORDER, f"marked at character {match.start}")
        self.locator.take(match.start, match.end)
        self.placed.add((match.start, match.end, label))
        return match

    def _claimed(self, piece: Piece) -> locate.Match | None:
        """Where the offsets say, if they are right; white space at the ends of the piece left out."""
        match piece.offsets:
            case (int() as start, int() as end) if start >= 0 and self.doc.text[start:end] == piece.text:
                start += len(piece.text) - len(piece.text.lstrip())
                return locate.Match(start, start + len(piece.text.strip()))
        return None

    def _why_not(self, text: str, label: str) -> str:
        places = [place for loose in (False, True) for place in self.locator.places(text, loose=loose)]
        if not places:
            return NOT_IN_TEXT
        return DUPLICATE if any((*place, label) in self.placed for place in places) else OVERLAP

    def _joins(self, entity: _Entity, match: locate.Match) -> bool:
        between = self.doc.text[entity.end : match.start]
        return match.start >= entity.end and locate.is_gap(between)

    def _on_tokens(self, entities: list[_Entity]) -> list[Span]:
        spans: list[Span] = []
        taken: set[int] = set()
        for entity in entities:
            given = self.doc.text[entity.start : entity.end]
            span = self.doc.char_span(entity.start, entity.end, label=entity.label, alignment_mode="expand")
            assert span is not None  # "expand" always finds tokens
            tokens = range(span.start, span.end)
            if not taken.isdisjoint(tokens):
                detail = f"{given!r} ({entity.label}) shares a token with an entity before it"
                self.report.rejected(self.at, OVERLAP, detail)
                continue
            if (span.start_char, span.end_char) != (entity.start, entity.end):
                self.report.repaired(self.at, CUT_TOKEN, f"{given!r} ({entity.label}) became {span.text!r}")
            taken.update(tokens)
            spans.append(span)
        return spans

    def _repair(self, piece: Piece, problem: str, detail: str) -> None:
        self.report.repaired(self.at, problem, f"{piece.text!r} ({piece.tag}): {detail}")

    def _reject(self, piece: Piece, problem: str) -> None:
        self.report.rejected(self.at, problem, f"{piece.text!r} ({piece.tag})")
