"""What an expert is asked: a text, its words, and what the model thinks of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc

from ..apply.records import entities

DIGITS = 20


@dataclass(frozen=True)
class Task:
    """One text for an expert.

    key: tells the text, its words included, from all others; the same in every run.
    words: (first character, text, whether a space follows) of each word.
    suggestions: as of `apply.records.entities`: start, end, label, text, score (None where the model gives none).
    """

    key: str
    text: str
    words: list[tuple[int, str, bool]]
    suggestions: list[dict[str, Any]]

    @property
    def score(self) -> float | None:
        """The lowest score of a suggestion: how far the whole can be trusted. None without scores."""
        return min((each["score"] for each in self.suggestions if each["score"] is not None), default=None)


def make_tasks(docs: Iterable[Doc], labels: Collection[str]) -> Iterator[Task]:
    """A task for each text, with the entities of its doc as suggestions; of the same text, words included, only one.

    labels: those that experts choose from; others are not suggested. Docs of white space alone are passed over.
    """
    seen = set()
    for doc in docs:
        key = task_key(doc)
        if key not in seen and doc.text.strip():
            seen.add(key)
            words = [(token.idx, token.text, bool(token.whitespace_)) for token in doc]
            yield Task(key, doc.text, words, [each for each in entities(doc) if each["label"] in labels])


def task_key(doc: Doc) -> str:
    """The key of the task that `make_tasks` makes of `doc`; entities do not count."""
    words = "\0".join(token.text_with_ws for token in doc)
    return hashlib.sha256(words.encode()).hexdigest()[:DIGITS]
