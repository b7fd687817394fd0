"""Texts that a model wrote and marked: read, and checked one by one."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from spacy.language import Language
from spacy.tokens import Doc

from ..data.problems import ProblemReport
from ..data.records import Piece, parse_record
from ..data.span_alignment import put_pieces
from .backends.base import Reject
from .formats.brackets import unmark
from .formats.loose_json import read_json, without_thoughts

WORD = re.compile(r"\w+")


class NearDuplicates:
    """Remembers texts, and finds one of them that is nearly the same as another.

    Two texts are when their sets of words, in lower case, have at least `threshold` of their union in common
    (Jaccard). With all sets in one fixed order, two that are alike share a word among the first few of each, so that
    only texts under these words are compared (prefix filtering: Bayardo, Ma and Srikant 2007, "Scaling up all pairs
    similarity search").
    """

    def __init__(self, threshold: float = 0.6) -> None:
        self.threshold = threshold
        self._texts: list[str] = []
        self._words: list[frozenset[str]] = []
        self._under: dict[str, list[int]] = defaultdict(list)

    def find(self, text: str) -> str | None:
        """A remembered text that is nearly the same; None where there is none."""
        words = _words(text)
        candidates = {i for word in self._prefix(words) for i in self._under.get(word, ())}
        alike = (i for i in sorted(candidates) if self._alike(words, self._words[i]))
        return next((self._texts[i] for i in alike), None)

    def add(self, text: str) -> None:
        """Remember a text."""
        words = _words(text)
        for word in self._prefix(words):
            self._under[word].append(len(self._texts))
        self._texts.append(text)
        self._words.append(words)

    def _prefix(self, words: frozenset[str]) -> list[str]:
        # long words first, since they are rare
        ordered = sorted(words, key=lambda word: (-len(word), word))
        return ordered[: len(words) - math.ceil(self.threshold * len(words)) + 1]

    def _alike(self, words: frozenset[str], other: frozenset[str]) -> bool:
        return len(words & other) >= self.threshold * len(words | other)


def _words(text: str) -> frozenset[str]:
    # a text of signs alone is one word
    return frozenset(WORD.findall(text.lower())) or frozenset({text.strip()})


NO_LIST = "no list of texts"
EMPTY = "empty text"
NOT_UNICODE = "half a surrogate pair, not Unicode"
TOO_LONG = "text too long"
HALF_A_MARK = "half a mark"
PLACEHOLDER = "label in place of an entity"
NO_ENTITY = "no entity where some were asked for"
NOT_ALL_MARKED = "entity marked once and not again"
NEAR_DUPLICATE = "near-duplicate"
LONGEST = 4000
# "1. a text", "- a text"
ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+(\S.*)$", re.MULTILINE)
HALF = re.compile(r"\]\s?\(|\[[^\]]*$")


def read_list(reply: str) -> list[object]:
    """The members of the list in a reply: JSON, or lines with numbers or dashes.

    Of a list that was cut off, what is complete. Raises: Reject where there is none, or an empty one.
    """
    try:
        value = read_json(reply).value
    except Reject:
        value = ITEM.findall(without_thoughts(reply))
    if isinstance(value, dict):
        value = next((part for part in value.values() if isinstance(part, list)), None)
    if not isinstance(value, list) or not value:
        raise Reject(NO_LIST, repr(reply[:80]))
    return value


class TextValidator:
    """Makes Docs of written texts, and rejects what would do harm as training data.

    A text is a string with marks, `[words](LABEL)`, or an object as in the requests data (`data.records`). Rejected
    are: what is empty, longer than 4,000 characters, or no text; a mark that is broken, has another label or stands
    inside another; a label in brackets in place of an entity; a text without any entity where some were asked for;
    one in which the words of an entity stand again without a mark; one that is nearly the same as one before. Marks
    that end inside a token grow.
    """

    def __init__(self, nlp: Language, labels: Collection[str]) -> None:
        self._nlp = nlp
        self._spellings = {label.casefold(): label for label in labels}
        self._known = NearDuplicates()

    def check(self, given: object, *, with_entities: bool) -> Doc:
        """The Doc of a text, which is remembered. Raises: Reject."""
        report = ProblemReport("")
        text, pieces = self._read(given, report)
        if not text:
            raise Reject(EMPTY)
        if len(text) > LONGEST:
            raise Reject(TOO_LONG, f"{len(text)} characters")
        doc = put_pieces(self._nlp.make_doc(text), pieces, at=1, report=report, labels=self._spellings.values())
        for problem in report.problems:
            if problem.action == "rejected":
                raise Reject(problem.problem, problem.detail)
        if with_entities and not doc.ents:
            raise Reject(NO_ENTITY)
        self._require_all_marked(doc)
        if alike := self._known.find(text):
            raise Reject(NEAR_DUPLICATE, repr(alike))
        self._known.add(text)
        return doc

    def _read(self, given: object, report: ProblemReport) -> tuple[str, list[Piece]]:
        if isinstance(given, dict):
            text, pieces = parse_record(given, 1, report) or ("", [])
            if not text and report.problems:
                raise Reject(report.problems[0].problem, report.problems[0].detail)
            return text, [replace(piece, tag=self._spelled(piece.tag)) for piece in pieces]
        if not isinstance(given, str):
            raise Reject(NO_LIST, repr(given)[:80])
        if any(0xD800 <= ord(sign) < 0xE000 for sign in given):
            raise Reject(NOT_UNICODE)
        plain, marks = unmark(given.strip(), text=None, labels=self._spellings)
        if HALF.search(plain):
            raise Reject(HALF_A_MARK)
        if found := next((word for word in re.findall(r"\[\s*([^\]]*?)\s*\]", plain) if self._is_label(word)), None):
            raise Reject(PLACEHOLDER, found)
        ordered = sorted(marks, key=lambda mark: (mark.start, -mark.end))
        return plain, [
            Piece(plain[mark.start : mark.end], self._spelled(f"B-{mark.label}"), (mark.start, mark.end))
            for mark in ordered
        ]

    def _is_label(self, word: str) -> bool:
        return word.casefold() in self._spellings

    def _spelled(self, tag: str) -> str:
        prefix, dash, label = tag.partition("-")
        return f"{prefix}{dash}{self._spellings.get(label.casefold(), label)}"

    def _require_all_marked(self, doc: Doc) -> None:
        marked = {token.i for ent in doc.ents for token in ent}
        words = [token.text for token in doc]
        for ent in doc.ents:
            own = words[ent.start : ent.end]
            for start in range(len(words) - len(own) + 1):
                same = words[start : start + len(own)] == own
                if same and ent.text[:1].isalnum() and marked.isdisjoint(range(start, start + len(own))):
                    raise Reject(NOT_ALL_MARKED, repr(ent.text))
