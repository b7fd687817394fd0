"""`python -m benchmarks.capitals MODEL DATA`: F1 in sentences in capitals, and elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

from spacy.tokens import Doc, Span

from spacy_llama_ner.cli.app import load_pipeline, read_examples
from spacy_llama_ner.evaluate.matching import Words, compare, tally
from spacy_llama_ner.evaluate.predict import predict_and_score

# words of two letters and more that make a headline of what would otherwise be an abbreviation or two
LEAST = 3


def in_capitals(sentence: Span) -> bool:
    """Whether a sentence has no small letter, and `LEAST` words of two letters or more."""
    words = sum(len(token) > 1 and token.is_alpha for token in sentence)
    return sentence.text == sentence.text.upper() and words >= LEAST


def group(doc: Doc, words: Words, label: str) -> str:
    """What the sentence of an entity is written in."""
    return "capitals" if in_capitals(doc[words[0]].sent) else "elsewhere"


def main(model: str, data: str) -> None:
    """Print F1 and the number of gold entities of both groups."""
    nlp = load_pipeline(model)
    examples = read_examples(nlp, Path(data))
    predict_and_score(nlp, examples)
    for name, found in sorted(tally([(eg, compare(eg)) for eg in examples], group).items()):
        print(f"{name:10} F1 {'-' if found.f is None else f'{100 * found.f:.1f}':>5} of {found.gold:,} entities")


if __name__ == "__main__":
    main(*sys.argv[1:])
