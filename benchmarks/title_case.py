"""`spacy train --code benchmarks/title_case.py`: the base reads runs of capitals as if only their first letters were.

For an experiment (benchmarks/conll2003.md); pipelines that are trained so need it at run time as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from spacy.tokens import Doc, Token
from tokenizers import Tokenizer

from spacy_llama_ner.encoder import architectures as architecture
from spacy_llama_ner.encoder import batching as alignment

# words of two letters and more that make a headline of what would otherwise be an abbreviation or two
RUN = 3


@dataclass(frozen=True)
class Reading:
    """A doc to the eyes of the encoder, with another text of the same length."""

    doc: Doc
    text: str

    def __len__(self) -> int:
        return len(self.doc)

    def to_array(self, names: Any) -> Any:
        return self.doc.to_array(names)


def headlines(doc: Doc) -> Iterator[list[Token]]:
    """Runs of words without a small letter; what has no letters neither counts nor interrupts."""
    run: list[Token] = []
    for word in doc:
        if any(letter.islower() for letter in word.text):
            yield run
            run = []
        elif any(letter.isupper() for letter in word.text):
            run.append(word)
    yield run


def read(doc: Doc) -> Reading:
    """The text with small letters in headlines, but for the first of each word."""
    text = list(doc.text)
    for run in headlines(doc):
        if sum(len(word) > 1 for word in run) >= RUN:
            for word in run:
                for at in range(word.idx + 1, word.idx + len(word)):
                    small = text[at].lower()
                    text[at] = small if len(small) == 1 else text[at]
    return Reading(doc, "".join(text))


def align(docs: list[Doc], tokenizer: Tokenizer) -> list[alignment.Alignment]:
    """As `alignment.align` does, for texts without headlines in capitals."""
    return alignment.align([cast(Doc, read(doc)) for doc in docs], tokenizer)


architecture.align = align  # type: ignore[attr-defined]
