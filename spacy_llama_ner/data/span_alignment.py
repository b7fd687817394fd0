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

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span

from .bio_tags import LOST_START, UNKNOWN_LABEL, UNKNOWN_TAG, split_tag, starts_entity
from .problems import ProblemReport
from .records import BAD_RECORD, Piece, continuations, parse_record, read_records

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
    doc: Doc, pieces: list[Piece], *, at: int, report: ProblemReport, labels: Collection[str] | None = None
) -> Doc:
    """Set the entities of `doc` to what `pieces`, in their order, say, and give it back.

    at: number of the record, for `report`, which gets the problems.
    labels: those that are allowed; None allows all.
    """
    return _Annotator(doc, at, report).annotate(pieces, labels)


class _Annotator:
    """Puts the pieces of one record into its Doc."""

    def __init__(self, doc: Doc, at: int, report: ProblemReport) -> None:
        self.doc = doc
        self.at = at
        self.report = report
        self.locator = Locator(doc)
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

    def _place(self, piece: Piece, label: str, *, goes_on: bool, then: list[str]) -> Match | None:
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

    def _claimed(self, piece: Piece) -> Match | None:
        """Where the offsets say, if they are right; white space at the ends of the piece left out."""
        match piece.offsets:
            case (int() as start, int() as end) if start >= 0 and self.doc.text[start:end] == piece.text:
                start += len(piece.text) - len(piece.text.lstrip())
                return Match(start, start + len(piece.text.strip()))
        return None

    def _why_not(self, text: str, label: str) -> str:
        places = [place for loose in (False, True) for place in self.locator.places(text, loose=loose)]
        if not places:
            return NOT_IN_TEXT
        return DUPLICATE if any((*place, label) in self.placed for place in places) else OVERLAP

    def _joins(self, entity: _Entity, match: Match) -> bool:
        between = self.doc.text[entity.end : match.start]
        return match.start >= entity.end and is_gap(between)

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


# how far apart two pieces of one entity may stand: white space, and up to three signs that are no letter or
# digit
GAP = r"\s*(?:(?:[^\w\s]|_){1,3}?\s*)??"


def is_gap(between: str) -> bool:
    """Whether `between` may lie inside an entity, between two of its pieces."""
    return re.fullmatch(GAP, between) is not None


@dataclass(frozen=True)
class Match:
    """Characters `start` to `end` of the text, and whether it was found as it stands and in its place."""

    start: int
    end: int
    loose: bool = False
    out_of_order: bool = False


class Locator:
    """Finds pieces in the text of `doc`, one behind the other, and never hands out a character twice.

    Rules, in this order:

    1. A piece that goes on an entity is looked for right behind the piece before, with `GAP` between; one that
       starts an entity, behind the last match where the pieces that go it on follow in the same way.
    2. Behind the last match, then before it (`out_of_order`), the piece as it stands.
    3. The same, without regard to case and to the kind of white space (`loose`).

    Within each, matches that start and end with a token come first, then those where a run of letters or of
    digits starts and ends (`6` in `6pm`), then any; among equals the leftmost.
    """

    def __init__(self, doc: Doc) -> None:
        self.text = doc.text
        self.cursor = 0
        self._taken = bytearray(len(self.text))
        self._starts = {token.idx for token in doc}
        self._ends = {token.idx + len(token) for token in doc}

    def is_free(self, start: int, end: int) -> bool:
        """Whether no character from `start` to `end` was taken before."""
        return self._taken.find(1, start, end) == -1

    def take(self, start: int, end: int) -> None:
        """Mark the characters as used, and search on behind them."""
        self._taken[start:end] = b"\1" * (end - start)
        self.cursor = end

    def find(self, piece: str, *, goes_on: bool, then: Sequence[str] = ()) -> Match | None:
        """The best free place for `piece` by the rules of the class, or None. Nothing is taken yet.

        `then`: the pieces that go on the entity which `piece` starts.
        """
        if goes_on:
            for loose in (False, True):
                found = re.compile(f"{GAP}({_pattern(piece, loose)})").match(self.text, self.cursor)
                if found and self.is_free(*found.span(1)):
                    return Match(*found.span(1), loose=loose)
        if then and (place := self._best(piece, loose=False, out_of_order=False, then=then)):
            return Match(*place)
        for loose in (False, True):
            for out_of_order in (False, True):
                place = self._best(piece, loose=loose, out_of_order=out_of_order)
                if place is not None:
                    return Match(*place, loose=loose, out_of_order=out_of_order)
        return None

    def places(
        self, piece: str, *, loose: bool, start: int = 0, then: Sequence[str] = ()
    ) -> Iterator[tuple[int, int]]:
        """All places of `piece`, with `then` behind it, that begin at `start` or later, free or not."""
        behind = "".join(GAP + _pattern(other, loose) for other in then)
        # looking ahead finds matches that overlap each other, too
        pattern = re.compile(f"(?=({_pattern(piece, loose)}){behind})")
        return (found.span(1) for found in pattern.finditer(self.text, start))

    def _best(
        self, piece: str, *, loose: bool, out_of_order: bool, then: Sequence[str] = ()
    ) -> tuple[int, int] | None:
        best: tuple[int, int] | None = None
        best_rank = 3
        for start, end in self.places(piece, loose=loose, start=0 if out_of_order else self.cursor, then=then):
            if out_of_order and start >= self.cursor:
                break
            if self.is_free(start, end) and (rank := self._rank(start, end)) < best_rank:
                best, best_rank = (start, end), rank
            if best_rank == 0:
                break
        return best

    def _rank(self, start: int, end: int) -> int:
        if start in self._starts and end in self._ends:
            return 0
        return 1 if self._is_edge(start) and self._is_edge(end) else 2

    def _is_edge(self, i: int) -> bool:
        if i in (0, len(self.text)):
            return True
        before, after = _kind(self.text[i - 1]), _kind(self.text[i])
        return before != after or before == "other"


def _kind(character: str) -> str:
    if character.isalpha():
        return "letter"
    return "digit" if character.isdigit() else "other"


def _pattern(piece: str, loose: bool) -> str:
    if not loose:
        return re.escape(piece)
    return "(?i:" + r"\s+".join(map(re.escape, piece.split())) + ")"


def read_requests(
    path: Path, nlp: Language, report: ProblemReport, *, labels: Collection[str] | None = None
) -> Iterator[Doc]:
    """One Doc, tokenized by `nlp`, for each usable record of a JSON or JSONL file.

    `labels` are the labels that are allowed; None allows all. Problems go into `report` as the docs are read.

    Raises: ValueError when the file cannot be read as JSON at all (see `records.read_records`).
    """
    for at, record in read_records(path, report):
        parsed = parse_record(record, at, report)
        if parsed is None:
            continue
        text, pieces = parsed
        if len(text) > nlp.max_length:
            report.rejected(at, BAD_RECORD, f"text has {len(text)} characters, more than {nlp.max_length}")
            continue
        yield put_pieces(nlp.make_doc(text), pieces, at=at, report=report, labels=labels)
