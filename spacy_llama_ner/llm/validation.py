"""Validation of texts that a model wrote with their labels: parsed, checked one by one, near-duplicates rejected."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from spacy.language import Language
from spacy.tokens import Doc

from ..data.problems import ProblemReport
from ..data.records import TaggedPiece, parse_record
from ..data.span_alignment import align_pieces
from .backends.base import RejectedReplyError
from .formats.brackets import read_marks
from .formats.lenient_json import read_json, without_thoughts

# reasons of rejections
NO_LIST = "no list of texts"
EMPTY_TEXT = "empty text"
NOT_UNICODE = "half a surrogate pair, not Unicode"
TOO_LONG = "text too long"
HALF_A_MARK = "half a mark"
PLACEHOLDER = "label in place of an entity"
NO_ENTITY = "no entity where some were asked for"
NOT_ALL_MARKED = "entity marked once and not again"
NEAR_DUPLICATE = "near-duplicate"

# characters
MAX_LENGTH = 4000
WORD = re.compile(r"\w+")
# "1. a text", "- a text"
LIST_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+(\S.*)$", re.MULTILINE)
BROKEN_MARK = re.compile(r"\]\s?\(|\[[^\]]*$")


def read_list(reply: str) -> list[object]:
    """Read the list in a reply: JSON, or lines with numbers or dashes.

    Args:
        reply: What the model wrote.

    Returns:
        The members; of a list that was cut off, those that are complete.

    Raises:
        RejectedReplyError: If there is no list, or an empty one.
    """
    try:
        value = read_json(reply).value
    except RejectedReplyError:
        value = LIST_ITEM.findall(without_thoughts(reply))
    if isinstance(value, dict):
        value = next((part for part in value.values() if isinstance(part, list)), None)
    if not isinstance(value, list) or not value:
        raise RejectedReplyError(NO_LIST, repr(reply[:80]))
    return value


class NearDuplicates:
    """Remembers texts, and finds one of them that is nearly the same as another.

    Two texts are nearly the same when their sets of words, in lower case, have at least `threshold` of their union in
    common (Jaccard). With all sets in one fixed order, two that are similar share a word among the first few of each,
    so that only texts under these words are compared (prefix filtering: Bayardo, Ma and Srikant 2007, "Scaling up all
    pairs similarity search").

    Attributes:
        threshold: 0 to 1.
    """

    def __init__(self, threshold: float = 0.6) -> None:
        self.threshold = threshold
        self._texts: list[str] = []
        self._words: list[frozenset[str]] = []
        self._by_prefix_word: dict[str, list[int]] = defaultdict(list)

    def find(self, text: str) -> str | None:
        """Return the first remembered text that is nearly the same; None where there is none."""
        words = _word_set(text)
        candidates = {i for word in self._prefix(words) for i in self._by_prefix_word.get(word, ())}
        similar = (i for i in sorted(candidates) if self._are_similar(words, self._words[i]))
        return next((self._texts[i] for i in similar), None)

    def add(self, text: str) -> None:
        """Remember a text."""
        words = _word_set(text)
        for word in self._prefix(words):
            self._by_prefix_word[word].append(len(self._texts))
        self._texts.append(text)
        self._words.append(words)

    def _prefix(self, words: frozenset[str]) -> list[str]:
        # long words first, since they are rare
        ordered = sorted(words, key=lambda word: (-len(word), word))
        return ordered[: len(words) - math.ceil(self.threshold * len(words)) + 1]

    def _are_similar(self, words: frozenset[str], other: frozenset[str]) -> bool:
        return len(words & other) >= self.threshold * len(words | other)


def _word_set(text: str) -> frozenset[str]:
    # a text without letters and digits counts as one word
    return frozenset(WORD.findall(text.lower())) or frozenset({text.strip()})


class TextValidator:
    """Makes Docs of written texts, and rejects what would do harm as training data.

    A text is a string with marks, `[words](LABEL)`, or an object as in the requests data (`data.records`). Rejected
    are: what is empty, longer than 4,000 characters, or no text; a mark that is broken, has another label or stands
    inside another; a label in brackets in place of an entity; a text without any entity where some were asked for;
    one in which the words of an entity occur again without a mark; one that is nearly the same as one before. Marks
    that end inside a token are expanded.
    """

    def __init__(self, nlp: Language, labels: Collection[str]) -> None:
        """Start with no text remembered.

        Args:
            nlp: Its tokenizer is used.
            labels: Those that are allowed; they are recognised in any case.
        """
        self._nlp = nlp
        self._spellings = {label.casefold(): label for label in labels}
        self._known = NearDuplicates()

    def validate(self, record: object, *, with_entities: bool) -> Doc:
        """Make the Doc of one text and remember it, for near-duplicates.

        Args:
            record: The text as the model gave it.
            with_entities: Whether it has to have an entity.

        Returns:
            The Doc with its entities.

        Raises:
            RejectedReplyError: If the text would do harm; such a text is not remembered.
        """
        report = ProblemReport("")
        text, pieces = self._parse(record, report)
        if not text:
            raise RejectedReplyError(EMPTY_TEXT)
        if len(text) > MAX_LENGTH:
            raise RejectedReplyError(TOO_LONG, f"{len(text)} characters")
        doc = align_pieces(self._nlp.make_doc(text), pieces, at=1, report=report, labels=self._spellings.values())
        for problem in report.problems:
            if problem.action == "rejected":
                raise RejectedReplyError(problem.problem, problem.detail)
        if with_entities and not doc.ents:
            raise RejectedReplyError(NO_ENTITY)
        _require_all_marked(doc)
        if similar := self._known.find(text):
            raise RejectedReplyError(NEAR_DUPLICATE, repr(similar))
        self._known.add(text)
        return doc

    def _parse(self, record: object, report: ProblemReport) -> tuple[str, list[TaggedPiece]]:
        if isinstance(record, dict):
            text, pieces = parse_record(record, at=1, report=report) or ("", [])
            if not text and report.problems:
                raise RejectedReplyError(report.problems[0].problem, report.problems[0].detail)
            return text, [replace(piece, tag=self._fix_spelling(piece.tag)) for piece in pieces]
        if not isinstance(record, str):
            raise RejectedReplyError(NO_LIST, repr(record)[:80])
        if any(0xD800 <= ord(character) < 0xE000 for character in record):
            raise RejectedReplyError(NOT_UNICODE)
        plain, marks = read_marks(record.strip(), text=None, labels=self._spellings)
        if BROKEN_MARK.search(plain):
            raise RejectedReplyError(HALF_A_MARK)
        for word in re.findall(r"\[\s*([^\]]*?)\s*\]", plain):
            if word.casefold() in self._spellings:
                raise RejectedReplyError(PLACEHOLDER, word)
        ordered = sorted(marks, key=lambda mark: (mark.start, -mark.end))
        return plain, [
            TaggedPiece(plain[mark.start : mark.end], self._fix_spelling(f"B-{mark.label}"), (mark.start, mark.end))
            for mark in ordered
        ]

    def _fix_spelling(self, tag: str) -> str:
        prefix, dash, label = tag.partition("-")
        return f"{prefix}{dash}{self._spellings.get(label.casefold(), label)}"


def _require_all_marked(doc: Doc) -> None:
    """Raise RejectedReplyError where the words of an entity occur again outside of entities."""
    marked = {token.i for ent in doc.ents for token in ent}
    words = [token.text for token in doc]
    for ent in doc.ents:
        ent_words = words[ent.start : ent.end]
        for start in range(len(words) - len(ent_words) + 1):
            same = words[start : start + len(ent_words)] == ent_words
            if same and ent.text[:1].isalnum() and marked.isdisjoint(range(start, start + len(ent_words))):
                raise RejectedReplyError(NOT_ALL_MARKED, repr(ent.text))
