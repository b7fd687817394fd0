"""An augmenter that puts sentences in capitals, as headlines are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example


def make_capitals(level: float) -> Callable[[Language, Example], Iterator[Example]]:
    """`spacy_llama_ner.capitals.v1`: some sentences come in capitals.

    What a corpus reader gives as `augmenter`, the counterpart of `spacy.lower_case.v1`. Words, and with them
    entities, stay what they are; letters without a capital of their own ("ß") stay as well. Drawn by Python's
    `random`, which `spacy train` seeds, whenever the corpus is read: once where `training.max_epochs` is 0 or
    more, at each pass where it is -1.

    level: share of the sentences, 0 to 1; docs without sentence boundaries are one sentence.

    Raises: ValueError for a level out of range.
    """
    if not 0 <= level <= 1:
        raise ValueError(f"`level` is {level}; it must be from 0 to 1 (0.1 is a tenth of the sentences).")

    def augment(nlp: Language, example: Example) -> Iterator[Example]:
        words: list[str] = []
        chosen = False
        for word, starts in zip(example.predicted, example.get_aligned_sent_starts(), strict=True):
            if starts or not words:
                chosen = random.random() < level
            words.append("".join(map(_capital, word.text)) if chosen else word.text)
        spaces = [bool(word.whitespace_) for word in example.predicted]
        yield Example(Doc(nlp.vocab, words=words, spaces=spaces), example.reference)

    return augment


def _capital(letter: str) -> str:
    """The capital, if it is one that spaCy takes for the same letter when it aligns words."""
    capital = letter.upper()
    return capital if capital.lower() == letter.lower() else letter
