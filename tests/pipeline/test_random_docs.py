"""A thousand texts of any Unicode and any length go through the pipeline unharmed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from .samples import CORPUS, scores

N_BATCHES, DOCS_PER_BATCH = 50, 20
LONGEST = 20_000

# text that the pipeline knows, and text that no tokenizer was made for
KNOWN = st.sampled_from([piece for text, _ in CORPUS for piece in (text, text + "\n\n", f" {text}.")])
ODD = st.sampled_from(
    ["\u200b", "\ufeff", " \t ", "\r\n", "\xa0", "👩‍👩‍👧‍👦", "e\u0301\u0327", "\u202e", "\x00", "a" * 300, "ﷺ"]
)
CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PIECE = st.one_of(KNOWN, ODD, CHARACTERS)
SHORT = st.lists(PIECE, max_size=5).map("".join)
LENGTHS = [LONGEST, 16_000, 12_000, 8_000, 4_000, 500, 40, 0]


TEXTS = st.lists(SHORT, min_size=DOCS_PER_BATCH - 1, max_size=DOCS_PER_BATCH - 1)


def repeated(seed: str, length: int) -> str:
    """`seed`, again and again, up to `length` characters."""
    seed = seed or "Omar, "
    return (seed * (length // len(seed) + 1))[:length]


def entities(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def check(nlp: Language, texts: list[str], seen: dict[str, int]) -> None:
    docs = list(nlp.pipe(texts))
    assert [doc.text for doc in docs] == texts
    for doc, text in zip(docs, texts, strict=True):
        for ent in doc.ents:
            assert doc.char_span(ent.start_char, ent.end_char) is not None
            assert ent.text and not ent[0].is_space and not ent[-1].is_space
        alone = nlp(text)
        assert entities(alone) == entities(doc)
        assert list(alone.spans["llama_ner"]) == list(alone.ents)
        assert scores(alone) == pytest.approx(scores(doc), abs=1e-3)
        assert all(0 <= score <= 1 for score in scores(doc))
        seen["docs"] += 1
        seen["with entities"] += bool(doc.ents)
        seen["long"] += len(text) > LONGEST / 2


def test_a_thousand_random_docs(trained: Language) -> None:
    seen = {"docs": 0, "with entities": 0, "long": 0}

    @settings(
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        max_examples=N_BATCHES,
        suppress_health_check=list(HealthCheck),
    )
    @given(TEXTS, SHORT, st.integers(0, DOCS_PER_BATCH - 1))
    def go(texts: list[str], seed: str, where: int) -> None:
        # not drawn, since what a strategy draws may lean to the short ones
        length = LENGTHS[seen["docs"] // DOCS_PER_BATCH % len(LENGTHS)]
        check(trained, [*texts[:where], repeated(seed, length), *texts[where:]], seen)

    go()
    assert seen["docs"] >= 1000
    assert seen["with entities"] > 100
    assert seen["long"] > 5
