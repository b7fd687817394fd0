"""What is measured on: the test split of CoNLL-2003, or made-up sentences with its distribution of lengths."""

from __future__ import annotations

import random
from pathlib import Path

from spacy_llama_ner.data.conll import read_conll
from spacy_llama_ner.data.problems import ProblemReport

# percentage of sentences of about so many words in CoNLL-2003 test
LENGTHS = {2: 20, 7: 36, 12: 11, 17: 7, 22: 7, 27: 6, 32: 5, 37: 4, 42: 2, 47: 1}
WORDS = [
    "the",
    "of",
    "to",
    "in",
    "a",
    "said",
    "on",
    "for",
    "at",
    "and",
    "was",
    "with",
    "from",
    "by",
    "that",
    "is",
    "its",
    "New",
    "York",
    "Reuters",
    "Tuesday",
    "1996",
    "Smith",
]

Sentences = list[list[str]]


def read_sentences(folder: Path | None) -> tuple[Sentences, str]:
    """Sentences as lists of words, and what they are."""
    file = folder / "test.txt" if folder is not None else None
    if file is None or not file.exists():
        print(f"No CoNLL-2003 test.txt in {folder}: made-up sentences are measured.")
        return made_up(3000), "made-up sentences with the lengths of CoNLL-2003"
    documents = read_conll(file, ProblemReport("benchmark", "line"))
    return [sentence.words for document in documents for sentence in document], "CoNLL-2003 test, sentences"


def made_up(n: int) -> Sentences:
    """`n` sentences of random words."""
    rng = random.Random(0)
    lengths = rng.choices(list(LENGTHS), weights=list(LENGTHS.values()), k=n)
    return [rng.choices(WORDS, k=max(1, length + rng.randint(-2, 2))) for length in lengths]


def sample(sentences: Sentences, n: int) -> Sentences:
    """`n` of them, spread evenly over the whole."""
    step = max(1, len(sentences) // n)
    return sentences[::step][:n]
