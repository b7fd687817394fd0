"""Finding tagged pieces in a text: where LLM output and the text are brought together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacy.tokens import Doc

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
