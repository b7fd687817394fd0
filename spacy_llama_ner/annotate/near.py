"""Texts that say nearly the same."""

from __future__ import annotations

import math
import re
from collections import defaultdict

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
