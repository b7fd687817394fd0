"""Alignment of tagged pieces with their text: each piece is found in the text and becomes an entity of the doc.

Pieces come from records that a language model has written, so they may be wrong. What is done about it (each case is
reported with the number of its record):

| problem | what is done |
| --- | --- |
| unknown tag; label not allowed | the piece is rejected |
| piece not in text | the piece is rejected |
| duplicate piece: its places are taken, one of them by the same piece with the same label | the piece is rejected |
| overlap: its places are taken by other pieces, or one of its tokens by an earlier entity | the piece is rejected |
| other case or white space than in the text | repaired: the entity is spelled as in the text |
| out of order: found only before the previous piece | repaired: the entity is there |
| wrong offsets: the piece is not at them | repaired: the piece is searched for |
| I- without B-: no entity of that label before it, or more than a `GAP` between | repaired: it starts an entity |
| cut token: an entity starts or ends inside a token | repaired: it grows to whole tokens |

An `I-` piece that continues an entity makes it longer, and what lies between the two belongs to it. A rejected `B-`
piece ends the entity before it, so that its own `I-` pieces do not join that entity. An `O` piece marks nothing, but
the search for the next piece starts after it. If a piece is rejected, the rest of its record is still used.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span

from .bio_tags import LOST_START, UNKNOWN_LABEL, UNKNOWN_TAG, split_tag, starts_entity
from .problems import ProblemReport
from .records import BAD_RECORD, TaggedPiece, parse_record, read_records

# problems that are reported
NOT_IN_TEXT = "piece not in text"
DUPLICATE = "duplicate piece"
OVERLAP = "overlap"
INEXACT = "other case or white space"
OUT_OF_ORDER = "out of order"
BAD_OFFSETS = "wrong offsets"
CUT_TOKEN = "cut token"

# what may stand between two pieces of one entity: white space, and up to three characters that are no letter or digit
GAP = r"\s*(?:(?:[^\w\s]|_){1,3}?\s*)??"


def read_json_docs(
    path: Path, nlp: Language, *, report: ProblemReport, labels: Collection[str] | None = None
) -> Iterator[Doc]:
    """Read a JSON or JSONL file of texts with tagged pieces.

    Args:
        path: The file; see `records.read_records` and `records.parse_record` for its shapes.
        nlp: The pipeline that tokenizes the texts.
        report: Gets the problems, as the docs are read.
        labels: The labels that are allowed. None allows all.

    Yields:
        A doc with entities for each usable record.

    Raises:
        DataError: If the file cannot be read as JSON at all.
    """
    for at, record in read_records(path, report):
        parsed = parse_record(record, at=at, report=report)
        if parsed is None:
            continue
        text, pieces = parsed
        if len(text) > nlp.max_length:
            report.rejected(at, BAD_RECORD, f"text has {len(text)} characters, more than {nlp.max_length}")
            continue
        yield align_pieces(nlp.make_doc(text), pieces, at=at, report=report, labels=labels)


def align_pieces(
    doc: Doc, pieces: list[TaggedPiece], *, at: int, report: ProblemReport, labels: Collection[str] | None = None
) -> Doc:
    """Set the entities of a doc, in place, to what the pieces of its text say.

    Args:
        doc: The doc.
        pieces: The pieces in their order.
        at: The number of the record, for the report.
        report: Gets the problems.
        labels: The labels that are allowed. None allows all.

    Returns:
        The doc.
    """
    return _Aligner(doc, at, report).align(pieces, labels)


@dataclass
class _Entity:
    """An entity that later pieces may make longer, in characters."""

    start: int
    end: int
    label: str


class _Aligner:
    """Aligns the pieces of one record with its doc."""

    def __init__(self, doc: Doc, at: int, report: ProblemReport) -> None:
        self._doc = doc
        self._at = at
        self._report = report
        self._locator = PieceLocator(doc)
        self._found: set[tuple[int, int, str]] = set()

    def align(self, pieces: list[TaggedPiece], labels: Collection[str] | None) -> Doc:
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
            continues = not starts and current is not None and current.label == label
            followed_by = _continuations(pieces[i + 1 :], label) if starts else []
            match = self._find(piece, label, continues=continues, followed_by=followed_by)
            if match is None:
                current = None if starts else current
            elif prefix == "O":
                current = None
            elif continues and current is not None and self._joins(current, match):
                current.end = match.end
            else:
                if not starts:
                    self._repair(piece, LOST_START, f"starts an entity at character {match.start}")
                current = _Entity(match.start, match.end, label)
                entities.append(current)
        self._doc.ents = self._align_to_tokens(entities)
        return self._doc

    def _find(self, piece: TaggedPiece, label: str, *, continues: bool, followed_by: list[str]) -> Match | None:
        text = piece.text.strip()
        at_offsets = self._match_at_offsets(piece)
        match = at_offsets or self._locator.find(text, continues=continues, followed_by=followed_by)
        if match is None or not self._locator.is_free(match.start, match.end):
            self._reject(piece, self._why_not_found(text, label))
            return None
        if piece.offsets is not None and at_offsets is None:
            self._repair(piece, BAD_OFFSETS, f"offsets {piece.offsets} hold another text; found at {match.start}")
        if match.inexact:
            self._repair(piece, INEXACT, f"marked as {self._doc.text[match.start : match.end]!r}")
        if match.out_of_order:
            self._repair(piece, OUT_OF_ORDER, f"marked at character {match.start}")
        self._locator.take(match.start, match.end)
        self._found.add((match.start, match.end, label))
        return match

    def _match_at_offsets(self, piece: TaggedPiece) -> Match | None:
        """Return the place that the record gives, without white space at its ends, if the piece is there."""
        match piece.offsets:
            case (int() as start, int() as end) if start >= 0 and self._doc.text[start:end] == piece.text:
                start += len(piece.text) - len(piece.text.lstrip())
                return Match(start, start + len(piece.text.strip()))
        return None

    def _why_not_found(self, text: str, label: str) -> str:
        places = [place for inexact in (False, True) for place in self._locator.places(text, inexact=inexact)]
        if not places:
            return NOT_IN_TEXT
        return DUPLICATE if any((*place, label) in self._found for place in places) else OVERLAP

    def _joins(self, entity: _Entity, match: Match) -> bool:
        return match.start >= entity.end and is_gap(self._doc.text[entity.end : match.start])

    def _align_to_tokens(self, entities: list[_Entity]) -> list[Span]:
        spans: list[Span] = []
        taken: set[int] = set()
        for entity in entities:
            given = self._doc.text[entity.start : entity.end]
            span = self._doc.char_span(entity.start, entity.end, label=entity.label, alignment_mode="expand")
            assert span is not None  # "expand" always finds tokens
            tokens = range(span.start, span.end)
            if not taken.isdisjoint(tokens):
                detail = f"{given!r} ({entity.label}) shares a token with an entity before it"
                self._report.rejected(self._at, OVERLAP, detail)
                continue
            if (span.start_char, span.end_char) != (entity.start, entity.end):
                self._report.repaired(self._at, CUT_TOKEN, f"{given!r} ({entity.label}) became {span.text!r}")
            taken.update(tokens)
            spans.append(span)
        return spans

    def _repair(self, piece: TaggedPiece, problem: str, detail: str) -> None:
        self._report.repaired(self._at, problem, f"{piece.text!r} ({piece.tag}): {detail}")

    def _reject(self, piece: TaggedPiece, problem: str) -> None:
        self._report.rejected(self._at, problem, f"{piece.text!r} ({piece.tag})")


def _continuations(pieces: list[TaggedPiece], label: str) -> list[str]:
    """Return the texts of the first of `pieces`, as long as they continue an entity of this label."""

    def continues(piece: TaggedPiece) -> bool:
        prefix, own_label = split_tag(piece.tag) or ("O", "")
        return prefix != "O" and not starts_entity(prefix) and own_label == label

    return [piece.text.strip() for piece in takewhile(continues, pieces)]


def is_gap(between: str) -> bool:
    """Whether two pieces may belong to one entity if `between` stands between them."""
    return re.fullmatch(GAP, between) is not None


@dataclass(frozen=True)
class Match:
    """A place of a piece in the text.

    Attributes:
        start: First character.
        end: Character after the last.
        inexact: Whether case or white space differ from the piece.
        out_of_order: Whether it is before the previous piece.
    """

    start: int
    end: int
    inexact: bool = False
    out_of_order: bool = False


class PieceLocator:
    """Finds pieces in a text, one after the other, and never the same character twice.

    Rules, in this order:

    1. A piece that continues an entity is searched for right after the previous piece, with `GAP` between; one that
       starts an entity, after the previous piece and where the pieces that continue it follow in the same way.
    2. The piece as it stands: after the previous piece, then before it (`out_of_order`).
    3. The same, regardless of case and kind of white space (`inexact`).

    Within each rule, matches that start and end with a token come first, then those that start and end with a run of
    letters or of digits (`6` in `6pm`), then any; among equals the leftmost.

    Args:
        doc: The tokenized text.
    """

    def __init__(self, doc: Doc) -> None:
        self._text = doc.text
        self._cursor = 0
        self._taken = bytearray(len(self._text))
        self._starts = {token.idx for token in doc}
        self._ends = {token.idx + len(token) for token in doc}

    def is_free(self, start: int, end: int) -> bool:
        """Whether none of the characters from `start` to `end` was taken before."""
        return self._taken.find(1, start, end) == -1

    def take(self, start: int, end: int) -> None:
        """Mark characters as taken. The next search starts after them."""
        self._taken[start:end] = b"\1" * (end - start)
        self._cursor = end

    def find(self, piece: str, *, continues: bool, followed_by: Sequence[str] = ()) -> Match | None:
        """Find the best free place of a piece. Nothing is taken yet.

        Args:
            piece: The piece.
            continues: Whether it continues the entity of the previous piece.
            followed_by: The pieces that continue the entity which `piece` starts.

        Returns:
            The place by the rules above, or None if there is none.
        """
        if continues:
            for inexact in (False, True):
                found = re.compile(f"{GAP}({_pattern(piece, inexact)})").match(self._text, self._cursor)
                if found and self.is_free(*found.span(1)):
                    return Match(*found.span(1), inexact=inexact)
        if followed_by and (place := self._best(piece, inexact=False, out_of_order=False, followed_by=followed_by)):
            return Match(*place)
        for inexact in (False, True):
            for out_of_order in (False, True):
                place = self._best(piece, inexact=inexact, out_of_order=out_of_order)
                if place is not None:
                    return Match(*place, inexact=inexact, out_of_order=out_of_order)
        return None

    def places(
        self, piece: str, *, inexact: bool, start: int = 0, followed_by: Sequence[str] = ()
    ) -> Iterator[tuple[int, int]]:
        """Find all places of a piece, free or not.

        Args:
            piece: The piece.
            inexact: Whether case and kind of white space may differ.
            start: Character to start from.
            followed_by: Pieces that have to follow it, with `GAP` between.

        Returns:
            Start and end of each place, from left to right. Places may overlap.
        """
        rest = "".join(GAP + _pattern(other, inexact) for other in followed_by)
        # a lookahead also finds matches that overlap
        pattern = re.compile(f"(?=({_pattern(piece, inexact)}){rest})")
        return (found.span(1) for found in pattern.finditer(self._text, start))

    def _best(
        self, piece: str, *, inexact: bool, out_of_order: bool, followed_by: Sequence[str] = ()
    ) -> tuple[int, int] | None:
        best: tuple[int, int] | None = None
        best_rank = 3
        first = 0 if out_of_order else self._cursor
        for start, end in self.places(piece, inexact=inexact, start=first, followed_by=followed_by):
            if out_of_order and start >= self._cursor:
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
        """Whether a run of letters or of digits starts or ends at character `i`."""
        if i in (0, len(self._text)):
            return True
        before, after = _character_class(self._text[i - 1]), _character_class(self._text[i])
        return before != after or before == "other"


def _character_class(character: str) -> str:
    if character.isalpha():
        return "letter"
    return "digit" if character.isdigit() else "other"


def _pattern(piece: str, inexact: bool) -> str:
    if not inexact:
        return re.escape(piece)
    return "(?i:" + r"\s+".join(map(re.escape, piece.split())) + ")"
