"""Data of the shape of CoNLL-2003, and of labels by a language model."""

from __future__ import annotations

import random

SENTENCES = (
    "{PER} won the race in {LOC} .",
    "{ORG} buys a {MISC} bakery",
    "{PER} of {ORG} flew to {LOC} , {LOC}",
    "It rained all day .",
)
NAMES = {
    "PER": ("Mia Brook", "Omar", "Lena van Dyk"),
    "LOC": ("Bern", "New York"),
    "ORG": ("Harbour Mills", "UN"),
    "MISC": ("Danish",),
}


def made_up(n_sentences: int, seed: int) -> str:
    """CoNLL columns: documents of four sentences."""
    rng, lines = random.Random(seed), []
    for i in range(n_sentences):
        if i % 4 == 0:
            lines.append("-DOCSTART- -X- -X- O\n")
        for word in SENTENCES[i % 4].split():
            label = word.strip("{}")
            pieces = rng.choice(NAMES[label]).split() if word.startswith("{") else [word]
            tags = [f"{'I' if k else 'B'}-{label}" for k in range(len(pieces))] if word.startswith("{") else ["O"]
            lines += [f"{piece} NN B-NP {tag}" for piece, tag in zip(pieces, tags, strict=True)]
        lines.append("")
    return "\n".join(lines)


def as_a_model_would(columns: str) -> str:
    """Two columns: the first 30 sentences with other labels for ORG, a tag that is none, and an I- without a B-."""
    sentences = [block.split("\n") for block in columns.replace("-DOCSTART- -X- -X- O\n", "").split("\n\n")]
    rows = [[(line.split()[0], line.split()[-1]) for line in lines if line] for lines in sentences[:30]]
    rows[1][0] = (rows[1][0][0], "[CLS]")
    lines = [[f"{word} {tag.replace('B-ORG', 'I-LOC')}" for word, tag in sentence] for sentence in rows]
    return "\n\n".join("\n".join(each) for each in lines) + "\n\nNobody O\nknows O\nthis O\n"
