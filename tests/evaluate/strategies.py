"""Examples with any entities, any missing annotation and any tokenization."""

from __future__ import annotations

from itertools import pairwise

import spacy
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

NLP = spacy.blank("en")
LABELS = ("DATE", "NAME", "TIME")
Spans = list[tuple[int, int, str]]


def make_doc(words: list[str], spans: Spans, *, missing: list[int] | None = None) -> Doc:
    """A doc of words without spaces between them, outside but for `spans` and `missing`."""
    doc = Doc(NLP.vocab, words=words, spaces=[False] * len(words))
    gaps = [doc[i : i + 1] for i in missing or []]
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans], missing=gaps)
    return doc


def one_example(gold: Spans, predicted: Spans, *, n: int = 8, missing: list[int] | None = None) -> Example:
    words = [f"w{i}" for i in range(n)]
    return Example(make_doc(words, predicted), make_doc(words, gold, missing=missing))


@st.composite
def spans(draw: st.DrawFn, n: int) -> Spans:
    """Entities on `n` words that do not overlap."""
    cuts = sorted(draw(st.sets(st.integers(0, n), max_size=2 * (n // 2))))
    pairs = list(pairwise(cuts))
    labels = [draw(st.sampled_from([None, *LABELS])) for _ in pairs]
    return [(start, end, label) for (start, end), label in zip(pairs, labels, strict=True) if label]


@st.composite
def words_of(draw: st.DrawFn, text: str) -> list[str]:
    """One way to cut `text` into words."""
    cuts = sorted({0, len(text), *draw(st.sets(st.integers(0, len(text)), max_size=10))})
    return [text[start:end] for start, end in pairwise(cuts)]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Gold and predictions on one tokenization, with words here and there that nobody annotated."""
    n = draw(st.integers(1, 10))
    gold = draw(spans(n))
    inside = {i for start, end, _ in gold for i in range(start, end)}
    missing = draw(st.sets(st.integers(0, n - 1), max_size=2)) - inside
    return one_example(gold, draw(spans(n)), n=n, missing=sorted(missing))


@st.composite
def misaligned_examples(draw: st.DrawFn) -> Example:
    """Gold and predictions on two tokenizations of one text."""
    text = "abcdefghijklmn"
    predicted, gold = draw(words_of(text)), draw(words_of(text))
    return Example(
        make_doc(predicted, draw(spans(len(predicted)))),
        make_doc(gold, draw(spans(len(gold)))),
    )
